# The service in an image of its own: built from the hash-pinned lock, run without root.

FROM python:3.11-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
# uv by its hash from the lock; it installs what the project names, pinned and hashed by that lock.
# The lock serves as constraints because it also holds the tools of development.
COPY requirements.lock pyproject.toml ./
RUN awk '/^[^ #]/ { keep = /^uv==/ } keep' requirements.lock > /tmp/uv.lock \
    && pip install --no-cache-dir --no-deps --require-hashes -r /tmp/uv.lock \
    && python -m venv --without-pip /opt/hoistway \
    && uv pip install --no-cache --compile-bytecode --python /opt/hoistway/bin/python \
        --require-hashes -r pyproject.toml -c requirements.lock \
    && awk '/^hatchling==/ { print $1 }' requirements.lock > /tmp/build.txt \
    && uv pip install --no-cache --system --require-hashes -r /tmp/build.txt -c requirements.lock
COPY . .
RUN python -m hatchling build --target wheel --directory /tmp/wheel \
    && uv pip install --no-cache --no-deps --compile-bytecode \
        --python /opt/hoistway/bin/python /tmp/wheel/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home hoistway
COPY --from=build /opt/hoistway /opt/hoistway
ENV PATH=/opt/hoistway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOISTWAY_HTTP_HOST=0.0.0.0 \
    HOISTWAY_HTTP_PORT=8080
USER 10001:10001
WORKDIR /tmp
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['HOISTWAY_HTTP_PORT'] + '/healthz', timeout=3)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["hoistway"]
CMD ["serve"]
