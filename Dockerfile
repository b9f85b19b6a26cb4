FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin storekeeper

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/storekeeper storekeeper
COPY --from=build /build/target/release/storekeeper /usr/local/bin/storekeeper
USER storekeeper
# ./storekeeper-data (the database and the key) is created here.
WORKDIR /var/lib/storekeeper
VOLUME /var/lib/storekeeper
# The default, loopback, could not be reached from outside the container.
ENV STOREKEEPER__HTTP__LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["storekeeper"]
CMD ["serve"]
