#!/usr/bin/env bash
# Tries the server's own description against the server: schemathesis makes requests of every operation, right and
# wrong, and compares the answers with what is described. Needs python3 with `venv`, and the package index.
#
#   tests/schemathesis.sh [SCHEMATHESIS-ARGUMENTS]      for example: tests/schemathesis.sh --max-examples 300
set -euo pipefail
cd "$(dirname "$0")/.."

SCHEMATHESIS_VERSION=4.32.5
SEED=20261122
CHECKS=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth,use_after_free,missing_required_header
# A platform of its own for the store, and a server with a database of its own; both are gone afterwards.
work=$(mktemp -d)
processes=()
clean_up() {
    local process
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    for process in "${processes[@]}"; do wait "$process" 2>/dev/null || true; done
    rm -rf -- "$work"
}
trap clean_up EXIT

# Waits until a program has written a line with this beginning, and prints the rest of the line.
wait_for_line() {
    local file=$1 beginning=$2 process=$3 line
    for _ in $(seq 600); do
        line=$(grep --max-count 1 --fixed-strings "$beginning" "$file" || true)
        if [[ -n "$line" ]]; then
            echo "${line#*"$beginning"}"
            return
        fi
        if ! kill -0 "$process" 2>/dev/null; then break; fi
        sleep 0.1
    done
    echo "tests/schemathesis.sh: no line with '$beginning':" >&2
    cat "$file" >&2
    return 1
}

# Asks with the admin token and prints the answer.
ask() {
    local method=$1 url=$2
    curl --silent --show-error --fail-with-body --noproxy '*' --request "$method" "$url" \
        --header "Authorization: Bearer $token" --header 'Content-Type: application/json' --data "${3:-}"
}

# The text of a member of a JSON object.
member() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

cargo build --bin storekeeper
program=target/debug/storekeeper

"$program" sandbox --port 0 --stores 1 >"$work/sandbox.log" 2>&1 &
processes+=($!)
sandbox=$(wait_for_line "$work/sandbox.log" 'the sandbox platform serves at ' "${processes[0]}")
shop=$(wait_for_line "$work/sandbox.log" 'shop-1.myshopify.com: ' "${processes[0]}")
[[ "$shop" =~ ^api\ (.*),\ access\ token\ (.*),\ webhook\ secret\ (.*)$ ]]
api=${BASH_REMATCH[1]} access_token=${BASH_REMATCH[2]} webhook_secret=${BASH_REMATCH[3]}

"$program" serve --bind 127.0.0.1:0 --data-dir "$work/data" >"$work/server.log" 2>&1 &
processes+=($!)
server=$(wait_for_line "$work/server.log" 'storekeeper serves at ' "${processes[1]}")
token=$(wait_for_line "$work/server.log" 'admin token (shown only now): ' "${processes[1]}")

# Something to find: a store on the platform, and a bundle in it.
store=$(ask POST "$server/v1/admin/stores" "{\"platform\": \"shopify\", \"domain\": \"shop-1.myshopify.com\",
    \"api_base_url\": \"$api\", \"access_token\": \"$access_token\", \"webhook_secrets\": [\"$webhook_secret\"]}" |
    member id)
items=$(curl --silent --show-error --fail --noproxy '*' "$api/admin/api/2026-10/products.json?limit=3" \
    --header "X-Shopify-Access-Token: $access_token" |
    python3 -c 'import json, sys
print(*(product["variants"][0]["inventory_item_id"] for product in json.load(sys.stdin)["products"]))')
read -r kit first second _ <<<"$items"
ask POST "$server/v1/stores/$store/bundles" "{\"title\": \"Kit\", \"item\": \"$kit\", \"mode\": \"pooled\",
    \"components\": [{\"item\": \"$first\", \"quantity\": 2}, {\"item\": \"$second\", \"quantity\": 1}]}" |
    member id >/dev/null

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$SCHEMATHESIS_VERSION"
echo "seed $SEED; the platform at $sandbox, the server at $server"
cd "$work" # where schemathesis leaves what it remembers
"$work/venv/bin/schemathesis" run "$server/openapi.json" \
    --header "Authorization: Bearer $token" --seed "$SEED" --workers 1 --max-examples 60 \
    --checks "$CHECKS" "$@"
