#!/usr/bin/env bash
# Were the learning rates too low? Whole runs at fixed rates: those below and above what run.sh's short searches took.
#     bash benchmarks/comparisons/rates.sh [FOLDER]
# Goes on where it was stopped. Needs FEDERA_DATA (see README); about two hours on two cores.
set -uo pipefail
status=0
here=$(dirname "$0")
out=${1:-rates}
at() { # data rate methods seeds [options]
    local data=$1 rate=$2 methods=$3 seeds=$4
    shift 4
    federa compare "$here/$data.yaml" --methods "$methods" --seeds "$seeds" \
        --grid train.learning_rate="$rate" --out "$out/$data-$rate-$methods" "$@" || status=1
}
wnut=(--grid partition='[{name: embedding, alpha: 0.1}, iid]')
semeval=(--grid partition='[{name: dirichlet, alpha: 0.1}, iid]')
at wnut2017 1.2e-2 federa,lora 3 "${wnut[@]}"
at semeval2010task8 5e-4 full 3
at semeval2010task8 1.2e-2 federa,lora 3 "${semeval[@]}"
at 20newsgroups 5e-3 federa 1
at 20newsgroups 2e-3 federa,lora 1
at 20newsgroups 1.2e-2 lora 1
at squad 5e-3 federa,lora 1
at squad 2e-3 federa,lora 1
at ploner 5e-3 federa,lora 1
at ploner 2e-3 federa,lora 1
at mrqa 5e-3 federa,lora 1
at mrqa 2e-3 lora 1
at mrqa 1.2e-2 federa 1
at wnut2017 6e-3 houlsby 3 "${wnut[@]}"
at semeval2010task8 6e-3 houlsby 3 "${semeval[@]}"
at wnut2017 2e-3 federa,lora 1 "${wnut[@]}"
at semeval2010task8 2e-3 federa,lora 1 "${semeval[@]}"
exit "$status"
