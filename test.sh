#!/usr/bin/env bash
# The one test command: format, lints, tests, documentation tests, generated
# files, and the program from end to end. Needs no arguments and no network
# beyond the first download of the dependencies.
#
# Everything is built in the release profile, so that dependencies compile once.
# Set CARGO_TARGET_DIR to build outside the clone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '\n== %s\n' "$*"; }
stop() {
    printf 'test.sh: %s\n' "$*" >&2
    exit 1
}

say "toolchain"
command -v cargo >/dev/null || stop "cargo is missing; install the Rust toolchain (rust-version in Cargo.toml or newer)"
command -v rustc >/dev/null || stop "rustc is missing; install the Rust toolchain (rust-version in Cargo.toml or newer)"
cargo fmt --version >/dev/null 2>&1 || stop "rustfmt is missing; add the component: rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || stop "clippy is missing; add the component: rustup component add clippy"
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
found=$(rustc --version | sed 's/^rustc \([0-9.]*\).*/\1/')
oldest=$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || stop "rustc is $found; this project needs $wanted or newer"
echo "rustc $found"

say "format"
cargo fmt --all --check

say "lints"
cargo clippy --locked --release --workspace --all-targets -- -D warnings

say "build"
cargo build --locked --release --workspace --bins
target=$(cargo metadata --locked --format-version 1 --no-deps |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

say "generated files"
"$target/release/xtask" --check
echo "current"

say "tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --release --workspace
else
    cargo test --locked --release --workspace --lib --bins --tests --examples
fi

say "documentation tests"
cargo test --locked --release --workspace --doc

say "end to end"
bash tests/e2e.sh "$target/release/cosmosmesh"
