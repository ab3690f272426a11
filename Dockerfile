# The service with its bundled models. State lives in /data; give it a volume.
FROM python:3.11-slim
# the engine's step is compiled
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home bankassist && mkdir /data && chown bankassist /data
WORKDIR /app
COPY pyproject.toml constraints.txt bundled.txt README.md ./
COPY adapters adapters
COPY assistant assistant
COPY core core
COPY engines engines
COPY eval eval
COPY examples examples
COPY ingest ingest
# torch's CPU build; the plain index would bring gigabytes of CUDA
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c constraints.txt '.[serve,ingest]' \
 && pip install --no-cache-dir --no-deps -r bundled.txt
USER bankassist
ENV BANKASSIST_HOME=/data BANKASSIST_SERVICE__HOST=0.0.0.0
EXPOSE 8080
HEALTHCHECK --start-period=120s --interval=10s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=5)"]
CMD ["bankassist", "serve"]
