# The service as one image: `docker build -t tiprouter .` then, for example,
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#       -v tiprouter-data:/data -p 127.0.0.1:8080:8080 tiprouter
# The image holds no key, no secret and no data; those come from the environment and the /data volume.

# The Python the locked wheels were tested with, on slim Debian (glibc, so the manylinux wheels fit).
ARG PYTHON=3.11-slim-bookworm

# ---- build: has pip and the network; nothing but /opt/tiprouter leaves this stage
FROM python:${PYTHON} AS build

# The lock file alone, before the source: this layer is rebuilt only when a dependency changes.
COPY requirements.lock /build/requirements.lock

# --without-pip: the finished environment cannot install anything, so neither can an intruder with its tools.
# --only-binary and --require-hashes: no package runs code to install itself, and every file is the one the lock names.
RUN python -m venv --without-pip /opt/tiprouter \
 && python -m pip --python /opt/tiprouter/bin/python install --no-cache-dir --no-input --disable-pip-version-check \
        --only-binary :all: --require-hashes -r /build/requirements.lock

# ---- run: the same base, the finished environment, the source
FROM python:${PYTHON} AS run

# A fixed number, not only a name: volumes and `runAsNonRoot` rules can then be written without looking inside.
# No home, no shell, no password.
RUN groupadd --system --gid 10001 tiprouter \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tiprouter \
 && install -d -o 10001 -g 10001 -m 0700 /data

# Copied as root and so not writable by the service: it cannot change its own code.
COPY --from=build /opt/tiprouter /opt/tiprouter
# The same layout as the repository, so that the migrations are found where a checkout has them.
COPY src /app/src
COPY alembic /app/alembic
COPY pyproject.toml README.md /app/

# Bytecode is made now, because at run time the root file system may be read-only.
RUN /opt/tiprouter/bin/python -m compileall -q /app/src

# PATH puts the environment's `python` first. PYTHONSAFEPATH keeps the working folder, which holds data, from being a
# source of modules. PYTHONUNBUFFERED brings each log line out at once. TIPROUTER_DATA is where all state lives.
ENV PATH=/opt/tiprouter/bin:$PATH \
    PYTHONPATH=/app/src \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TIPROUTER_DATA=/data \
    TIPROUTER_PORT=8080

# The numeric form, so that an orchestrator can see that this is not root.
USER 10001:10001
WORKDIR /data
# The only place the service writes; declared after its owner was set, so that a new volume inherits it.
VOLUME ["/data"]
EXPOSE 8080

# Healthy means that the process answers; anything but 200 raises, and so exits non-zero. The standard library is
# enough, so the image needs no curl. An empty ProxyHandler: a proxy meant for deliveries must not answer for us. Where
# the service speaks TLS itself its certificate is for its public name, not for this address; nothing secret is said here.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, ssl, urllib.request as u; s = 'https' if os.environ.get('TIPROUTER_TLS_CERTIFICATE_FILE') else 'http'; u.build_opener(u.ProxyHandler({}), u.HTTPSHandler(context=ssl._create_unverified_context())).open(s + '://127.0.0.1:' + os.environ['TIPROUTER_PORT'] + '/healthz', timeout=2)"]

# The exec form: the service is process 1 and gets SIGTERM itself, so it can finish what it is sending.
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "tiprouter"]
CMD ["serve", "--host", "0.0.0.0"]
