# The agent's image: the static binary, the CNI plugins, CA certificates, license files and the pause image (1 KB), nothing else. The build
# context is out/image, made by scripts/stage-image.sh (`make docker`).
#
# There is no /data and no /log on purpose: with a forgotten mount the agent says so at once instead of keeping its state
# inside the container.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Amazon ECS container agent" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY . /
EXPOSE 51678 51679
ENV PATH=/host/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HEALTHCHECK CMD ["/agent", "--healthcheck"]
ENTRYPOINT ["/agent"]
