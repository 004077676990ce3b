#!/usr/bin/env bash
# The first process of a machine of its own: namespaces for mounts, network and processes, in which what commands for root
# do to the system is done to copies. What it starts ends with it.
#   init.sh FOLDER    in the environment: NODE, PROJECT, and, where it has Prosody 13, PROSODY_13
# It takes lines from standard input, each the name of a script to run in this very shell, and says `done` for each. The
# first command that fails ends the machine.
set -euo pipefail
umask 022
folder=$1
here=$(dirname "$0")

mount --make-rprivate /
ip link set lo up

# What is on it beside Debian's packages: Node, and this package as `npm install --global` has it.
local=$folder/usr/local
package=$local/lib/node_modules/isthmus
mkdir -p "$local/bin" "$package"
cp "$here"/bin/* "$local/bin/"
touch "$local/bin/node"
mount --bind "$NODE" "$local/bin/node"
# Not the project's folder itself, which may be closed to the machine's users.
cp "$PROJECT/package.json" "$package/"
for part in dist contrib deploy node_modules test; do
  mkdir "$package/$part"
  mount --bind "$PROJECT/$part" "$package/$part"
done

# A folder of the system becomes a copy, or an empty one.
copied() {
  mkdir -p "$folder$(dirname "$1")"
  cp -a "$1" "$folder$1"
  mount --bind "$folder$1" "$1"
}
empty() {
  mkdir -p "$folder$1"
  mount --bind "$folder$1" "$1"
}
copied /etc
for service in prosody ejabberd nginx; do
  copied "/var/lib/$service"
  copied "/var/log/$service"
done
empty /run
# What is made there at each start of the system.
awk '$1 == "d" { print $3, $4, $5, $2 }' /usr/lib/tmpfiles.d/ejabberd.conf |
  while read -r mode user group path; do install -d -m "$mode" -o "$user" -g "$group" "$path"; done
mount --rbind "$local" /usr/local
if [ -n "${PROSODY_13:-}" ]; then
  mount --bind "$PROSODY_13/usr/bin/prosody" /usr/bin/prosody
  mount --bind "$PROSODY_13/usr/bin/prosodyctl" /usr/bin/prosodyctl
  mount --bind "$PROSODY_13/usr/lib/prosody" /usr/lib/prosody
fi
echo 'nameserver 127.0.0.53' >/etc/resolv.conf
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin MACHINE=$folder HOME=/root
cd /

while read -r script; do
  set -x
  . "$script" <"$script.in" >"$script.log" 2>&1
  { set +x; } 2>/dev/null
  echo done
done
