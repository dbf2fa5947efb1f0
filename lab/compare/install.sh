#!/bin/sh
# Installs the clients that lab/compare and lab/speed set beside ftpnat, by name, on Debian
# and its relatives. lab/install.sh installs what the laboratory itself needs.
set -eu

export DEBIAN_FRONTEND=noninteractive
packages="curl lftp tnftp ncftp rclone python3"

missing=
for p in $packages; do
	test "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed || missing="$missing $p"
done
test -n "$missing" || exit 0

install() {
	# shellcheck disable=SC2086 # a list of words is meant
	apt-get install -q -y --no-install-recommends $missing
}

# On a fresh machine apt knows no packages, on an old one files that are gone.
install || { apt-get update -q && install; }
