# Each recipe is one command that also works without just.

# List the recipes
default:
    @just --list

# Format, lint and document, as CI does
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items

# Tests that need nothing installed
test *ARGUMENTS:
    cargo test --workspace {{ARGUMENTS}}

# All tests, those that need a server included
test-all *ARGUMENTS:
    tests/run {{ARGUMENTS}}

# Layers, limits, words and habits only
tidy:
    cargo test --test it tidy

# Everything CI checks
ci:
    CI=true .ci/run

# Serve with embedded SQLite under ./storekeeper-data
serve *ARGUMENTS:
    cargo run --release -- serve {{ARGUMENTS}}

# Show the whole path at work against the sandbox platform
demo *ARGUMENTS:
    cargo run --release -- demo {{ARGUMENTS}}

# Advisories, licences, bans and sources of dependencies (needs cargo-deny)
deny:
    cargo deny check

# Format everything
fmt:
    cargo fmt --all
