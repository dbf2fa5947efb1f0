#!/bin/sh
# Installs what the laboratory needs on Debian and its relatives: tools,
# pyftpdlib, Twisted and aioftp as packages, daemons unpacked side by side into a cache
# folder, and there also what comes from npm, in the versions of its lock file.
# The FTP servers among these exclude each other as packages, and the
# installation of any would start it on this machine. Runs again in a moment
# when everything is there.
#
#   FTPNAT_LAB_CACHE  the cache folder, /var/cache/ftpnat-lab if unset
set -eu

cache=${FTPNAT_LAB_CACHE:-/var/cache/ftpnat-lab}
npm=$(dirname "$0")/internal/servers/npm
tools="iproute2 nftables perl-base python3 python3-pyftpdlib python3-openssl python3-twisted python3-aioftp netbase util-linux"
daemons="vsftpd proftpd-core proftpd-mod-crypto pure-ftpd dante-server tinyproxy-bin tayga miniupnpd-nftables inetutils-ftpd"

export DEBIAN_FRONTEND=noninteractive
updated=
work=

say() { echo "lab: $*" >&2; }

fail() { say "$*"; exit 1; }

installed() {
	test "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed
}

# with_index runs a command that needs apt's package lists, and brings these
# up to date once if it fails: on a fresh machine there are none, on an old one
# they name files that are gone.
with_index() {
	if "$@"; then return 0; fi
	if test -n "$updated"; then return 1; fi
	updated=yes
	apt-get -q update >&2
	"$@"
}

install_tools() {
	missing=
	for p in $tools; do
		installed "$p" || missing="$missing $p"
	done
	if test -n "$missing"; then
		say "installing$missing"
		# shellcheck disable=SC2086 # a list of words is meant
		with_index apt-get install -q -y --no-install-recommends $missing >&2
	fi
}

# lacking prints the library packages that a package needs and this machine has
# not. They are asked for, not listed here: their names carry versions that
# differ between releases.
lacking() {
	apt-cache depends --no-recommends --no-suggests --no-conflicts \
		--no-breaks --no-replaces --no-enhances "$1" |
		sed -n 's/^  *Depends: \(lib[^:]*\).*/\1/p' | while read -r lib; do
		installed "$lib" || echo "$lib"
	done
}

# fetch downloads a package and, at any depth, the libraries that it lacks into
# the current folder.
fetch() {
	while test $# -gt 0; do
		if ! ls "$1"_*.deb >/dev/null 2>&1; then
			with_index apt-get -q -o APT::Sandbox::User=root download "$1" >&2
			# shellcheck disable=SC2046 # a list of words is meant
			set -- "$@" $(lacking "$1")
		fi
		shift
	done
}

binary() { # package: what it is wanted for, inside its folder
	case $1 in
	proftpd-core) echo usr/sbin/proftpd ;;
	proftpd-mod-crypto) echo usr/lib/proftpd/mod_tls.so ;;
	dante-server) echo usr/sbin/danted ;;
	tinyproxy-bin) echo usr/bin/tinyproxy ;;
	inetutils-ftpd) echo usr/sbin/ftpd ;;
	miniupnpd-nftables) echo usr/sbin/miniupnpd ;;
	*) echo "usr/sbin/$1" ;;
	esac
}

unpack() { # package
	test -e "$cache/$1/$(binary "$1")" && return 0
	say "unpacking $1 into $cache"
	mkdir "$work/$1" "$work/$1.debs"
	(
		cd "$work/$1.debs"
		fetch "$1"
		for deb in *.deb; do
			dpkg -x "$deb" "$work/$1"
		done
	)
	check_libraries "$1"
	rm -rf "${cache:?}/$1"
	mv "$work/$1" "$cache/$1"
}

check_libraries() { # package
	folders=$(find "$work/$1/usr/lib" "$work/$1/lib" -maxdepth 1 -name '*-linux-gnu*' 2>/dev/null | tr '\n' ':')
	if LD_LIBRARY_PATH=$folders ldd "$work/$1/$(binary "$1")" | grep 'not found' >&2; then
		fail "$1 lacks the libraries above"
	fi
}

# install_npm has npm install what the lock file says, without the packages' own
# scripts. Whoever has npm keeps it: Node.js is often not Debian's.
install_npm() {
	cmp -s "$npm/package-lock.json" "$cache/npm/package-lock.json" && return 0
	if ! command -v npm >/dev/null; then
		say "installing npm"
		with_index apt-get install -q -y --no-install-recommends npm >&2
	fi
	say "npm installs into $cache/npm"
	mkdir "$work/npm"
	cp "$npm/package.json" "$npm/package-lock.json" "$work/npm"
	(cd "$work/npm" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund >&2)
	rm -rf "${cache:?}/npm"
	mv "$work/npm" "$cache/npm"
}

test "$(id -u)" = 0 || fail "must run as root"
command -v apt-get >/dev/null || fail "needs Debian's apt-get"
mkdir -p "$cache"
work=$(mktemp -d "$cache/.unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

install_tools
for p in $daemons; do
	unpack "$p"
done
install_npm
say "ready ($cache)"
