"""What stands when a service begins is not looked at again; later garbage goes."""

import gc
import weakref

from service.collector import settle


class Knot:
    def __init__(self):
        self.itself = self


def test_a_full_collection_looks_at_later_objects_alone():
    garbage, kept = weakref.ref(Knot()), Knot()
    try:
        settle()
        assert garbage() is None
        assert gc.get_freeze_count() > 0
        assert not any(one is kept for one in gc.get_objects())
        later = weakref.ref(Knot())
        gc.collect()
        assert later() is None
    finally:
        gc.unfreeze()
