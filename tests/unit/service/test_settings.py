"""The tree of settings: names, defaults, documents, and the one line for everything wrong."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alerting.announce import AnnounceSettings
from alerting.changes import LifecycleParams
from alerting.dispatcher import DispatchSettings
from alerting.retry import RetryParams
from ingest.assemble.params import AssembleParams
from ingest.mqtt_settings import MqttSettings
from service.parameters import KNOWN, problem_of
from service.settings import SettingsError, load, narrow
from service.settings.load import fields, variable
from service.settings.outward import DispatchSettings as DispatchSection
from service.settings.text import markdown, values
from service.settings.tree import Settings
from telemetry.findings import FindingClass

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
UNIT = re.compile(
    r"_(s|ms|h|pct|mps|bytes|messages|frames|lifts|days|windows|openings|gaps|size|max|"
    r"per_endpoint|per_elevator_max|remembered|intervals|lanes)$"
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in list(os.environ):
        if name.startswith("HOISTWAY_"):
            monkeypatch.delenv(name)


def failure(monkeypatch, toml: str | None = None, tmp_path: Path | None = None, **environ) -> str:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    path = None
    if toml is not None:
        path = tmp_path / "hoistway.toml"
        path.write_text(toml)
    with pytest.raises(SettingsError) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_every_field_is_documented_with_a_reason():
    for section, name, field in fields():
        assert field.description, (section, name)
        assert len(field.description) > 30, (section, name)
        if field.default is None:
            assert "None:" in field.description, (section, name)


def test_every_number_has_its_unit_in_its_name():
    for section, name, field in fields():
        number = isinstance(field.default, int | float) and not isinstance(field.default, bool)
        if number and (section, name) not in {
            ("http", "port"), ("ingest", "lanes"), ("mqtt", "window_messages"),
        }:  # fmt: skip
            assert UNIT.search(name), (section, name)


def test_the_documentation_holds_the_table():
    assert markdown() in OPERATIONS.read_text("utf-8"), (
        "docs/operations.md: paste `python -c 'from service.settings.text import markdown;"
        " print(markdown())'`"
    )


def test_defaults_are_those_of_the_design():
    settings = load()
    assert settings.mqtt.client_id == "hoistway"
    assert settings.ingest.batch_window_ms == 20
    assert narrow.assemble(settings) == AssembleParams()
    assert narrow.lifecycle(settings) == LifecycleParams()
    assert narrow.retry(settings) == RetryParams()
    assert narrow.dispatcher(settings) == DispatchSettings(endpoints=())
    assert narrow.announcer(settings) == AnnounceSettings(endpoints=())


def test_the_source_gets_its_own_defaults(monkeypatch):
    monkeypatch.setenv("HOISTWAY_MQTT_URL", "mqtt://h")
    assert narrow.mqtt_source(load()) == MqttSettings(url="mqtt://h")


def test_detector_defaults_are_those_of_the_detectors():
    for key, value in narrow.parameters(load()).items():
        assert KNOWN[key].default == value
        assert problem_of(key, value) is None
    assert narrow.changed_parameters(load()) == {}


def test_environment_goes_before_file_goes_before_default(monkeypatch, tmp_path):
    path = tmp_path / "hoistway.toml"
    path.write_text("[http]\nport = 1\npage_max = 2\n[dispatch]\nretry_delays_s = [0, 3]\n")
    monkeypatch.setenv("HOISTWAY_HTTP_PORT", "3")
    monkeypatch.setenv("HOISTWAY_CONFIG", str(path))
    settings = load()
    assert (settings.http.port, settings.http.page_max) == (3, 2)
    assert settings.dispatch.retry_delays_s == (0, 3)
    assert settings.http.retry_after_s == 5


def test_lists_and_none_in_the_environment(monkeypatch):
    monkeypatch.setenv("HOISTWAY_DISPATCH_URLS", "http://one/x, https://two:8443")
    monkeypatch.setenv("HOISTWAY_DISPATCH_SECRET", f"{SECRET},{SECRET}")
    monkeypatch.setenv("HOISTWAY_MQTT_START_TIMEOUT_S", "none")
    monkeypatch.setenv("HOISTWAY_HTTP_PORT", "")
    settings = load()
    assert settings.dispatch.urls == ("http://one/x", "https://two:8443")
    assert settings.dispatch.secrets() == (SECRET, SECRET)
    assert settings.mqtt.start_timeout_s is None
    assert settings.http.port == 8080


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("HOISTWAY_HTTP_PROT", "HOISTWAY_HTTP_PORT"),
        ("HOISTWAY_DATABSE_URL", "HOISTWAY_DATABASE_URL"),
        ("HOISTWAY_DISPATCH_URL", "HOISTWAY_DISPATCH_URLS"),
        ("HOISTWAY_HTTP", "HOISTWAY_HTTP_"),
        ("hoistway_htp_port", "HOISTWAY_HTTP_PORT"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_the_nearest(monkeypatch, name, nearest):
    text = failure(monkeypatch, **{name: "x"})
    assert text.startswith(f"{name} is no setting; did you mean {nearest}")


def test_variables_of_the_setup_are_no_settings_and_no_errors(monkeypatch):
    monkeypatch.setenv("HOISTWAY_STACK_DIR", "/x")
    monkeypatch.setenv("HOISTWAY_STACK", "private")
    load()


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[http]\nprot = 1", "prot in [http] of {path} is no setting; did you mean port?"),
        ("[htpp]\nport = 1", "[htpp] in {path} is no section; did you mean http?"),
        ("port = 1", "[port] in {path} is no section"),
        ("http = 1", "http in {path} must be a section: [http]"),
        ("[http]\nport = 'x'", "port in [http] of {path}: input should be a valid integer"),
        ("=", "the settings file {path} is no TOML"),
    ],
)
def test_a_bad_file_is_one_line_with_the_place(monkeypatch, tmp_path, toml, words):
    text = failure(monkeypatch, toml, tmp_path)
    assert text.startswith(words.format(path=tmp_path / "hoistway.toml"))


def test_a_missing_file_is_one_line(monkeypatch):
    text = failure(monkeypatch, HOISTWAY_CONFIG="/nowhere.toml")
    assert text == (
        "the settings file /nowhere.toml cannot be read (No such file or directory);"
        " correct --config or HOISTWAY_CONFIG"
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"HOISTWAY_HTTP_PORT": "99999"}, "HOISTWAY_HTTP_PORT: input should be less than"),
        ({"HOISTWAY_HTTP_PORT": "no"}, "unset it for the default 8080"),
        ({"HOISTWAY_INGEST_BATCH_WINDOW_MS": "-1"}, "HOISTWAY_INGEST_BATCH_WINDOW_MS: "),
        ({"HOISTWAY_ORDER_REORDER_WINDOW_S": "nan"}, "HOISTWAY_ORDER_REORDER_WINDOW_S: "),
        ({"HOISTWAY_LOG_LEVEL": "loud"}, "HOISTWAY_LOG_LEVEL: input should be 'debug'"),
        ({"HOISTWAY_MQTT_URL": "http://h"}, "HOISTWAY_MQTT_URL: must be a URL like mqtt:// or"),
        ({"HOISTWAY_MQTT_CA_FILE": "/no"}, "HOISTWAY_MQTT_CA_FILE: names a file that does not"),
        ({"HOISTWAY_MQTT_KEY_FILE": "/dev/null"}, "HOISTWAY_MQTT_KEY_FILE: names a file"),
        ({"HOISTWAY_DISPATCH_URLS": "ftp://x"}, "HOISTWAY_DISPATCH_URLS: must be a URL like"),
        ({"HOISTWAY_DISPATCH_URLS": "http://x,http://x"}, "HOISTWAY_DISPATCH_URLS: names an"),
        ({"HOISTWAY_DISPATCH_URLS": "http://x"}, "HOISTWAY_DISPATCH_SECRET is not set, but"),
        ({"HOISTWAY_DISPATCH_RETRY_DELAYS_S": "0"}, "HOISTWAY_DISPATCH_RETRY_DELAYS_S: must end"),
        ({"HOISTWAY_DATABASE_URL": "postgresql://u:p@h:port/x"}, "HOISTWAY_DATABASE_URL: must"),
    ],
)
def test_a_bad_value_is_one_line_with_setting_and_remedy(monkeypatch, environ, words):
    assert words in failure(monkeypatch, **environ)


@pytest.mark.parametrize("secret", ["geheim", "whsec_x", "whsec_c2hvcnQ=", f"{SECRET},"[::-1]])
def test_a_bad_secret_is_never_quoted(monkeypatch, secret):
    text = failure(monkeypatch, HOISTWAY_DISPATCH_SECRET=secret)
    assert "whsec_<base64" in text
    assert secret not in text


def test_tls_files_want_mqtts(monkeypatch, tmp_path):
    pem = tmp_path / "ca.pem"
    pem.write_text("x")
    environ = {"HOISTWAY_MQTT_CA_FILE": str(pem), "HOISTWAY_MQTT_URL": "mqtt://h"}
    assert "HOISTWAY_MQTT_URL must be mqtts://" in failure(monkeypatch, **environ)


def test_secrets_are_redacted_wherever_a_tree_is_shown(monkeypatch):
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", "postgresql://u:geheim@h/x")
    monkeypatch.setenv("HOISTWAY_MQTT_PASSWORD", "geheim")
    monkeypatch.setenv("HOISTWAY_DISPATCH_SECRET", SECRET)
    monkeypatch.setenv("HOISTWAY_API_KEY", "geheim")
    settings = load()
    for shown in (repr(settings), str(values(settings)), settings.model_dump_json()):
        assert "geheim" not in shown
        assert SECRET not in shown
    assert values(settings)["HOISTWAY_API_KEY"] == "***"


def test_the_tree_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load().http.port = 1


def test_a_tree_without_a_broker_says_what_to_set():
    with pytest.raises(SettingsError, match="HOISTWAY_MQTT_URL is not set"):
        narrow.mqtt_source(load())


def test_variables_are_unique():
    names = [variable(section, name) for section, name, _ in fields()]
    assert len(names) == len(set(names)) > 60


def test_every_setting_is_read_by_somebody():
    root = Path(__file__).parents[3]
    sources = [*root.glob("service/**/*.py"), root / "ingest" / "mqtt_settings.py"]
    read = "\n".join(
        path.read_text("utf-8")
        for path in sources
        if path.parent.name != "settings" or path.name == "narrow.py"
    )
    of_detectors = set(narrow.parameters(load()))
    for section, name, _ in fields():
        assert name in of_detectors or re.search(rf"\b{name}\b", read), (section, name)


@pytest.mark.parametrize(
    ("findings", "says"),
    [
        ("safety,health", "must hold rescue"),
        ("rescue,wrong", "holds 'wrong', which is none of rescue, safety, service, health"),
        (" , ", "must hold rescue"),
    ],
)
def test_rescue_cannot_be_left_out_of_what_is_sent(monkeypatch, findings, says):
    monkeypatch.setenv("HOISTWAY_DISPATCH_FINDINGS", findings)
    with pytest.raises(SettingsError, match="HOISTWAY_DISPATCH_FINDINGS") as caught:
        load()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(chosen=st.sets(st.sampled_from(FindingClass)))
def test_what_is_sent_holds_rescue_or_the_settings_are_refused(chosen):
    words = tuple(c.value for c in chosen)
    if FindingClass.RESCUE not in chosen:
        with pytest.raises(ValidationError, match="rescue"):
            DispatchSection(findings=words)
        return
    settings = Settings(dispatch=DispatchSection(findings=words))
    sent_too = narrow.lifecycle(settings).sent_too
    assert sent_too | {FindingClass.RESCUE} == chosen
