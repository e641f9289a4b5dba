# The ledger without Java, Postgres, tests or build tools. Each package is installed by its hash from requirements.lock.
# The official Python images are built with profile-guided optimization; without it an event costs a third more CPU.
FROM python:3.13-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /build
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN uv venv /opt/ledger && \
    uv pip install --python /opt/ledger/bin/python --no-build --require-hashes --compile-bytecode \
        --constraints requirements.lock --requirements pyproject.toml
COPY schemas schemas
COPY ledger ledger
COPY projectors projectors
COPY consumers consumers
RUN uv pip install --python /opt/ledger/bin/python --no-deps --build-constraints requirements.lock --compile-bytecode .

FROM python:3.13-slim-bookworm
ENV PATH=/opt/ledger/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/ledger /opt/ledger
# Nobody's number: it owns no file of the image.
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["ledger"]
CMD ["--help"]
