# avforensics in a container: pinned by constraints.txt, no root user.
#
#   docker build -t avforensics:cpu .
#   docker build -t avforensics:cuda --build-arg DEVICE=cuda .      # docker run --gpus all ...
#   docker run --rm -v "$PWD:/data" avforensics:cpu detect clip.mp4 --out out
#
# EXTRAS adds extras of setup.cfg, e.g. --build-arg EXTRAS=ray,parquet. Both images hold the ordinary
# torch, beside which torchaudio loads; the CPU image leaves out triton.
FROM python:3.11-slim-bookworm

ARG DEVICE=cpu
ARG EXTRAS=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY constraints.txt setup.cfg pyproject.toml README.md LICENSE ./
COPY src src
COPY configs configs
RUN case "$DEVICE" in cpu | cuda) ;; *) echo "DEVICE must be cpu or cuda, got $DEVICE" >&2; exit 1 ;; esac
# in one layer: what a later one removes stays in the image
RUN pip install --constraint constraints.txt ".${EXTRAS:+[$EXTRAS]}" && \
    if [ "$DEVICE" = cpu ]; then pip uninstall --yes triton; fi

# `docker run --gpus all` gives a container its GPUs; device=auto takes them
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN useradd --create-home avforensics
USER avforensics
WORKDIR /data
ENTRYPOINT ["avforensics"]
CMD ["--help"]
