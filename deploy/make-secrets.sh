#!/bin/sh
# Makes the secrets that docker-compose.yml names, each once: deploy/make-secrets.sh [FOLDER, by default secrets]
# The folder lets nobody else in; the files in it can be read by the users that the containers run as.
set -eu
folder=${1:-secrets}
umask 077
mkdir -p "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { # NAME VALUE
  if [ ! -s "$folder/$1" ]; then printf '%s' "$2" > "$folder/$1"; echo "made $folder/$1"; fi
}

keep postgres_password "$(random)"
keep catalogue_url "postgresql+psycopg://bankassist:$(cat "$folder/postgres_password")@postgres:5432/bankassist"
keep elastic_password "$(random)"
keep vllm_key "$(random)"
[ -e "$folder/metrics_key" ] || : > "$folder/metrics_key"
chmod 444 "$folder"/*
chmod 644 "$folder/metrics_key"   # filled later, when there is a service to make the key
# Elasticsearch refuses a password that others can read; its user and ours are 1000 in their containers
chmod 400 "$folder/elastic_password"
owner=$(stat -c %u "$folder/elastic_password")
if [ "$owner" = 0 ]; then chown 1000 "$folder/elastic_password"
elif [ "$owner" != 1000 ]; then echo "give $folder/elastic_password to the user 1000: sudo chown 1000 $folder/elastic_password"; fi
