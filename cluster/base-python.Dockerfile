# The base image where a container engine makes it; base_image.py makes the same without one.
FROM docker.io/library/debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-minimal libpython3-stdlib ca-certificates libstdc++6 tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11 /usr/lib/python3 \
 && echo "nonroot:x:65532:65532:nonroot:/tmp:/usr/sbin/nologin" >> /etc/passwd \
 && echo "nonroot:x:65532:" >> /etc/group
ENV LANG=C.UTF-8
CMD ["python3"]
