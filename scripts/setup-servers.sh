#!/usr/bin/env bash
# The real servers, clients and proxies of the interop suite: Debian's prosody, ejabberd, slixmpp, Lua's libunbound, nginx and
# haproxy, nftables and faketime for the faults of test:faults, and, beside them, Prosody 13 from backports, unpacked into .servers/ and not installed. What is there already is not fetched again.
# Nothing is started; where systemd runs, the packages enable their services for the next boot.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(prosody lua-unbound ejabberd python3-slixmpp nginx haproxy nftables faketime)
prosody13=.servers/prosody-13
policy=/usr/sbin/policy-rc.d

say() { printf 'setup-servers: %s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

command -v apt-get >/dev/null || fail 'this needs Debian: there is no apt-get'
# shellcheck source=/dev/null
codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")

work=$(mktemp -d)
policy_is_ours=
cleanup() {
  if [ -n "$policy_is_ours" ]; then rm -f "$policy"; fi
  rm -rf "$work"
}
trap cleanup EXIT

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# pids of the packaged services, which run as users of their own
services() { ps -e -o pid=,user= | awk '$2 ~ /^(prosody|ejabberd|epmd|www-data|haproxy)$/ { print $1 }' | sort; }

# Packages ask this script before they start a service.
refuse_starts() {
  if [ -e "$policy" ]; then
    "$policy" prosody start >/dev/null 2>&1 || return 0
    fail "$policy lets packages start services: move it away first"
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  policy_is_ours=yes
}

install_packages() {
  local missing=() package
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if [ "${#missing[@]}" -eq 0 ]; then return; fi
  [ "$(id -u)" -eq 0 ] || fail "run as root to install ${missing[*]}"
  say "installing ${missing[*]}"
  services >"$work/before"
  refuse_starts
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  services >"$work/after"
  local started
  started=$(comm -13 "$work/before" "$work/after" | xargs)
  [ -z "$started" ] || fail "the installation started services: pid $started"
}

# The archive that the machine itself uses, and its own settings, with nothing but backports in it.
backports() {
  local archive keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  archive=$(apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F '|' -v release="$codename" '$1 == release && $2 == "main" { print $3; exit }')
  [ -n "$archive" ] || fail "apt has no source for '$codename main' to take the archive of backports from"
  mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial"
  [ ! -e "$keyring" ] || keyring_line="Signed-By: $keyring"
  cat >"$work/sources/backports.sources" <<EOF
Types: deb
URIs: $archive
Suites: $codename-backports
Components: main
${keyring_line:-}
EOF
  printf '%s\n' "Dir::Etc::SourceList \"/dev/null\";" "Dir::Etc::SourceParts \"$work/sources\";" \
    "Dir::State::Lists \"$work/lists\";" "Dir::Cache \"$work/cache\";" "APT::Sandbox::User \"\";" >"$work/apt.conf"
}

unpack_prosody13() {
  if [ -x "$prosody13/usr/bin/prosody" ]; then return; fi
  say "unpacking Prosody 13 from $codename-backports into $prosody13"
  backports
  (
    export APT_CONFIG="$work/apt.conf"
    cd "$work"
    apt-get update -qq -o APT::Update::Error-Mode=any && apt-get download -qq prosody
  ) >"$work/apt.log" 2>&1 || {
    cat "$work/apt.log" >&2
    fail "Prosody 13 cannot be had from $codename-backports"
  }
  local package
  package=$(ls "$work"/prosody_*.deb)
  case $(dpkg-deb -f "$package" Version) in
    13.*) ;;
    *) fail "$codename-backports has Prosody $(dpkg-deb -f "$package" Version), not 13" ;;
  esac
  dpkg -x "$package" "$work/unpacked"
  # Its programs look for their own files where the package would have put them; here, beside themselves.
  sed -i \
    -e "s|^CFG_SOURCEDIR='/usr/lib/prosody';|CFG_SOURCEDIR=arg[0]:match('^(.*)/bin/[^/]*\$')..'/lib/prosody';|" \
    -e "s|^CFG_PLUGINDIR='/usr/lib/prosody/modules/';|CFG_PLUGINDIR=CFG_SOURCEDIR..'/modules/';|" \
    "$work/unpacked/usr/bin/prosody" "$work/unpacked/usr/bin/prosodyctl"
  rm -rf "$prosody13"
  mkdir -p "$(dirname "$prosody13")"
  mv "$work/unpacked" "$prosody13"
}

install_packages
unpack_prosody13
# It loads its libraries and says its version only if it finds all that it needs.
printf 'data_path = "%s"\nrun_as_root = true\nVirtualHost "localhost"\n' "$work" >"$work/prosody.cfg.lua"
"$PWD/$prosody13/usr/bin/prosodyctl" --config "$work/prosody.cfg.lua" about >"$work/about" 2>&1 || true
version=$(grep -m 1 '^Prosody 13' "$work/about") || {
  cat "$work/about" >&2
  fail "Prosody 13 does not run; remove $prosody13 to unpack it again"
}
say "prosody $(dpkg-query -W -f '${Version}' prosody), ejabberd $(dpkg-query -W -f '${Version}' ejabberd)," \
  "slixmpp $(dpkg-query -W -f '${Version}' python3-slixmpp), nginx $(dpkg-query -W -f '${Version}' nginx)," \
  "haproxy $(dpkg-query -W -f '${Version}' haproxy); beside them: $version"
