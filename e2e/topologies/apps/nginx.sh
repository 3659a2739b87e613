# Serves ../data/nginx/html; everything that nginx writes is below ../data/nginx.
set -eu
mkdir -p ../data/nginx/html ../data/nginx/tmp
config=$PWD/nginx.conf
cd ../data/nginx
exec nginx -p "$PWD" -c "$config" -e error.log
