# The image of `dfr`. The repository to work on is mounted at /work:
#   docker run --rm --volume "$PWD:/work" dfr fix --check .
#   docker run --rm --volume "$PWD:/work" --user "$(id -u):$(id -g)" dfr fix .
ARG PYTHON=3.13
FROM python:${PYTHON}-slim AS builder
WORKDIR /src
RUN python -m venv --without-pip /opt/dfr
COPY pyproject.toml README.md ./
COPY refactor refactor
COPY transforms transforms
RUN pip --python /opt/dfr/bin/python install --no-cache-dir '.[proof]'

FROM python:${PYTHON}-slim
COPY --from=builder /opt/dfr /opt/dfr
ENV PATH=/opt/dfr/bin:$PATH
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["dfr"]
