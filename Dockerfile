# The image of sauce-janitor: `docker build -t sauce-janitor .`; docs/tutorials/container.md says how to run it.
# All Python packages are locked with hashes in requirements/. To pin the base image as well, give its digest:
#   docker build --build-arg BASE=python:3.13-slim-trixie@sha256:… -t sauce-janitor .
# For a state on PostgreSQL or an archive in S3, install what they need: --build-arg PACKAGES=cluster
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ARG PACKAGES=run
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# The locked dependencies first: they change less often than the code, so their layer stays in the cache. Only wheels, no compiler.
COPY requirements/build.txt requirements/run.txt requirements/cluster.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt \
 && python -m venv --without-pip /opt/sauce-janitor \
 && /opt/build/bin/pip --python /opt/sauce-janitor/bin/python install --only-binary :all: --require-hashes -r requirements/$PACKAGES.txt
COPY pyproject.toml README.md LICENSE ./
COPY sauce_janitor sauce_janitor
# The state and the archive are in /var/lib/sauce-janitor. Group 0 can write there, for clusters that choose the user id.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/build/bin/pip --python /opt/sauce-janitor/bin/python install --no-deps --no-index dist/*.whl \
 && install -d -m 0770 /data/sauce-janitor

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sauce-janitor" \
      org.opencontainers.image.description="Retention for Sauce Labs: archive what is worth keeping, prove the copy, and only then delete" \
      org.opencontainers.image.source="https://github.com/sauce-janitor/sauce-janitor" \
      org.opencontainers.image.documentation="https://github.com/sauce-janitor/sauce-janitor/blob/main/docs/index.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/sauce-janitor /opt/sauce-janitor
COPY --from=build --chown=10001:0 /data/ /var/lib/
# HOME, because a user id that the cluster chooses has none in /etc/passwd.
ENV PATH=/opt/sauce-janitor/bin:$PATH \
    HOME=/var/lib/sauce-janitor \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SAUCE_JANITOR_CONFIG=/etc/sauce-janitor/config.yaml \
    HEALTH_PORT=9469
WORKDIR /var/lib/sauce-janitor
# A number, so that Kubernetes can check that it is not root.
USER 10001:10001
EXPOSE 9469
# Asks the daemon's own page, which sends no request to Sauce Labs. If you change web.listen, set HEALTH_PORT too.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-I", "-c", "import http.client, os, sys; page = http.client.HTTPConnection('127.0.0.1', int(os.environ['HEALTH_PORT']), timeout=4); page.request('GET', '/healthz'); sys.exit(page.getresponse().status != 200)"]
ENTRYPOINT ["sauce-janitor"]
# Without --execute the daemon only plans.
CMD ["serve"]
