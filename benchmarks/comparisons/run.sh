#!/usr/bin/env bash
# The grid behind the reports in benchmarks/results: bash benchmarks/comparisons/run.sh [FOLDER]
# Goes on where it was stopped. Needs FEDERA_DATA (see README) and, on two cores, many hours.
set -uo pipefail
status=0
here=$(dirname "$0")
out=${1:-comparisons}
main() { # data seeds
    local settings
    case $1 in
    semeval2010task8) settings='[{name: dirichlet, alpha: 0.1}, iid]' ;;
    wnut2017) settings='[{name: embedding, alpha: 0.1}, iid]' ;;
    esac
    federa compare "$here/$1.yaml" --methods federa,lora,full,bitfit,houlsby --seeds "$2" --rates 3 \
        --search-rounds 4 --pooled --grid partition="$settings" --out "$out/$1"
}
single() { # data
    federa compare "$here/$1.yaml" --methods federa,lora,full --seeds 1 --rates 4 --search-rounds 2 \
        --pooled --out "$out/$1"
}
main semeval2010task8 1 || status=1
main wnut2017 1 || status=1
main semeval2010task8 2 || status=1
main wnut2017 2 || status=1
main semeval2010task8 3 || status=1
main wnut2017 3 || status=1
single ploner || status=1
single 20newsgroups || status=1
single squad || status=1
single mrqa || status=1
exit "$status"
