# The agent's image: pinned, hash-locked dependencies, no compiler, no root.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv /opt/coexist \
    && /opt/coexist/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY agent agent
COPY canonical canonical
COPY cdc_config cdc_config
COPY sandbox sandbox
RUN /opt/coexist/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/coexist --create-home coexist
COPY --from=build /opt/coexist /opt/coexist
ENV PATH=/opt/coexist/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    COEXIST_CONFIG=/etc/coexist/coexist.yaml
USER coexist
WORKDIR /var/lib/coexist
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/livez', timeout=4)"]
# SIGTERM drains; give it the time (stop_grace_period).
STOPSIGNAL SIGTERM
ENTRYPOINT ["coexist"]
CMD ["run", "--log-format", "json"]
