# The reading room in a container: no network at run time, nothing written, no root. docs/reading-room.md tells how.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m venv /opt/lesionlab && /opt/lesionlab/bin/pip install --no-cache-dir -c constraints.txt '.[web]'

FROM python:3.12-slim
COPY --from=build /opt/lesionlab /opt/lesionlab
ENV PATH=/opt/lesionlab/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1
USER 10001:10001
EXPOSE 8765
# Other machines can reach a container's port, so a token is demanded: LESIONLAB_TOKEN, or a file.
ENTRYPOINT ["lesionlab", "serve", "--host", "0.0.0.0"]
HEALTHCHECK --interval=30s --timeout=3s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/health', timeout=2)"]
