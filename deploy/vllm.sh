#!/bin/sh
# Starts vLLM with the base model in /models/base and every adapter that `bankassist adapters export NAME@V --vllm` wrote into /models/exports, as the command
# does that `adapters export` prints. Arguments are further options of vLLM.
set -eu
models=${MODELS:-/models}
VLLM_API_KEY=$(cat "${VLLM_KEY_FILE:-/run/secrets/vllm_key}")
export VLLM_API_KEY

places=1   # one more than adapters, and it stays empty: docs/remote.md says why
for note in "$models"/exports/[!.]*/bankassist.json; do
  if [ ! -e "$note" ]; then continue; fi
  folder=${note%/bankassist.json}
  if [ "$places" = 1 ]; then set -- "$@" --lora-modules; fi
  set -- "$@" "${folder##*/}=$folder"
  places=$((places + 1))
done
exec vllm serve "$models/base" --served-model-name base \
  --structured-outputs-config '{"backend": "guidance", "disable_any_whitespace": true}' \
  --enable-lora --max-lora-rank "${MAX_LORA_RANK:-64}" --max-loras "$places" "$@"
