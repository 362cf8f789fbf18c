# The platform's image for those who have a container engine; `make image` gives the same files without one.
#
#   docker build -t REGISTRY/mayfly/platform:0.1.0 .
#
# BASE runs the image, BUILD makes its content: both need Python 3.11, BUILD also pip.
ARG BASE=python:3.11-slim-bookworm
ARG BUILD=${BASE}

FROM ${BUILD} AS build
# Set it where the package index shows a certificate that only your own bundle knows; mount the bundle there.
ARG SSL_CERT_FILE
WORKDIR /src
COPY requirements requirements
RUN python3 -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --target /tools \
    --requirement requirements/platform.lock
COPY platform platform
RUN PYTHONPATH=/src/platform:/tools PATH=/tools/bin:$PATH \
    python3 -P -m mayfly.build.platform_image --root /out --cache /tmp/packages

FROM ${BASE}
LABEL org.opencontainers.image.title="mayfly" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out /
ENV PYTHONPATH=/app:/opt/mayfly/dependencies \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/mayfly/dependencies/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /app
USER 65532:65532
CMD ["python3", "-P", "-m", "mayfly.controller"]
