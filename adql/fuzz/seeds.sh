#!/usr/bin/env bash
# Makes the first inputs of all targets (corpus/seeds) of the queries in the tests' data, one file each.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf corpus/seeds
mkdir -p corpus/seeds
count=0
keep() {
    count=$((count + 1))
    printf '%s' "$1" > "corpus/seeds/$(printf '%05d' "$count")"
}
# Cases between lines `;;`: the query stands above the line `=>`.
for file in ../tests/data/*.txt; do
    query='' above=true
    while IFS= read -r line || [ -n "$line" ]; do
        case "$line" in
            ';;') [ -n "$query" ] && keep "${query%$'\n'}"; query='' above=true ;;
            '=>'*) above=false ;;
            *) if $above; then query+="$line"$'\n'; fi ;;
        esac
    done < "$file"
    [ -n "$query" ] && keep "${query%$'\n'}"
done
# Queries behind `+` and `-`, one a line.
while IFS= read -r line; do
    case "$line" in '+ '* | '- '*) keep "${line:2}" ;; esac
done < <(cat ../tests/data/grammar/*.txt)
echo "$count seeds"
