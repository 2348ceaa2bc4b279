#!/bin/bash
# BUILD: makes the Debian package of that build, and tries it in a fresh Debian 12: lintian, installation by apt, the
# daemon as it is installed, upgrade, downgrade, removal, purge. Without root, cpack or mmdebstrap, or a mirror, it is
# skipped (77), and says why. systemd does not run there: what the maintainer scripts enable is looked at, and the daemon
# is started by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?a build directory}
skip() {
    echo "skipped: $*"
    exit 77
}
for program in cpack mmdebstrap lintian dpkg-deb; do
    command -v $program >/dev/null || skip "$program is not installed (apt-get install mmdebstrap lintian cmake dpkg-dev)"
done
[ "$(id -u)" = 0 ] || skip "only root can make a root directory of its own"
[ -x "$build/daemon/cli/wayleave" ] || skip "$build/daemon/cli/wayleave is not built"

work=$(mktemp -d /tmp/wayleave-package.XXXXXX)
root=$work/root
daemon=
cleanup() {
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    umount "$root/proc" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
fail() {
    echo "FAILED: $*" >&2
    exit 1
}
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

echo "== the package"
cpack --config "$build/CPackConfig.cmake" -B "$work/made" >"$work/cpack.log" 2>&1 || { cat "$work/cpack.log"; fail cpack; }
package=$(echo "$work"/made/wayleave_*.deb)
[ -f "$package" ] || fail "no package in $(ls "$work/made")"
dpkg-deb --info "$package"
depends=$(dpkg-deb -f "$package" Depends)
for one in libwebsockets-evlib-ev libwebsockets17 libev4 libc6; do
    grep -q "$one" <<<"$depends" || fail "$one is not in Depends: $depends"
done
lintian --fail-on error,warning --tag-display-limit 0 "$package" || fail "lintian"

echo "== an upgrade's package"
cp -a "$build/CPackConfig.cmake" "$work/next.cmake"
echo 'set(CPACK_DEBIAN_PACKAGE_RELEASE 2)' >>"$work/next.cmake"
cpack --config "$work/next.cmake" -B "$work/next" >>"$work/cpack.log" 2>&1 || { cat "$work/cpack.log"; fail cpack; }
next=$(echo "$work"/next/wayleave_*.deb)

echo "== a fresh Debian"
cache=${WAYLEAVE_ROOT_CACHE:-}
if [ -n "$cache" ] && [ -f "$cache" ]; then
    mkdir "$root" && tar -C "$root" -xf "$cache"
else
    mmdebstrap --quiet --variant=apt bookworm "$root" /etc/apt/sources.list.d/debian.sources 2>"$work/bootstrap.log" ||
        mmdebstrap --quiet --variant=apt bookworm "$root" 2>>"$work/bootstrap.log" ||
        skip "no mirror of Debian answers: $(tail -1 "$work/bootstrap.log")"
fi
[ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$package" "$next" "$root/tmp/"

echo "== apt install"
inside apt-get update -q >"$work/apt.log" 2>&1 || skip "no mirror of Debian answers: $(tail -1 "$work/apt.log")"
inside apt-get install -y -q --no-install-recommends "/tmp/$(basename "$package")" >>"$work/apt.log" 2>&1 ||
    { tail -30 "$work/apt.log"; fail "apt install"; }
grep -qiE "warning|error" <(grep -i wayleave "$work/apt.log") && fail "$(grep -i wayleave "$work/apt.log")"

for link in multi-user.target.wants/wayleave.service sockets.target.wants/wayleave.socket; do
    [ -L "$root/etc/systemd/system/$link" ] || fail "$link is not enabled"
done
[ -f "$root/usr/share/man/man8/wayleave.8.gz" ] || fail "no compressed manual"
for file in bash-completion/completions/wayleave zsh/vendor-completions/_wayleave fish/vendor_completions.d/wayleave.fish; do
    grep -q -- --take-over <(sed 's/-l take-over/--take-over/' "$root/usr/share/$file") || fail "$file lacks an option"
done
inside dpkg --verify wayleave || fail "dpkg --verify"
inside wayleave lint --strict || fail "the policy as it is installed"

# PATTERN: waits for it in the daemon's log.
wait_for() {
    local i
    for i in $(seq 600); do
        grep -q "$1" "$work/daemon.log" && return
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    cat "$work/daemon.log"
    fail "the daemon never said $1"
}

echo "== the daemon"
touch "$work/daemon.log"
chroot "$root" env -i PATH=/usr/bin:/bin /usr/bin/wayleave serve >"$work/daemon.log" 2>&1 &
daemon=$!
wait_for event=started
grep -q 'address=http://127.0.0.1:8080' "$work/daemon.log" || { cat "$work/daemon.log"; fail "it does not listen on the loopback address"; }
grep -q '"state":"running"' <(inside wayleave status --format json) || fail "wayleave status"
python3 - <<'PYTHON' || fail "what the policy says"
import socket
def ask(path):
    one = socket.create_connection(("127.0.0.1", 8080), 60)
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    return one.recv(4096).split(b"\r\n")[0]
assert b" 101 " in ask("/hello"), ask("/hello")
assert b" 404 " in ask("/ws"), ask("/ws")
PYTHON
inside wayleave reload || fail "wayleave reload"
echo "nonsense" >"$root/etc/wayleave/routes.d/more.route"
! inside wayleave reload 2>"$work/refused" || fail "a reload of nonsense was done"
grep -q "E001\|error" "$work/refused" || fail "no reason: $(cat "$work/refused")"
rm "$root/etc/wayleave/routes.d/more.route"
kill "$daemon"
wait "$daemon" || fail "the daemon ended with $?"
daemon=

echo "== upgrade, downgrade"
echo '# mine' >>"$root/etc/wayleave/wayleave.toml"
mkdir -p "$root/var/lib/private/wayleave" && ln -s private/wayleave "$root/var/lib/wayleave"
rm "$root/etc/systemd/system/multi-user.target.wants/wayleave.service"  # as `systemctl disable` does
for deb in "$next" "$package"; do
    inside apt-get install -y -q --allow-downgrades --no-install-recommends "/tmp/$(basename "$deb")" >>"$work/apt.log" 2>&1 ||
        { tail -30 "$work/apt.log"; fail "$(basename "$deb")"; }
    [ "$(inside dpkg-query -W -f '${Version}' wayleave)" = "$(dpkg-deb -f "$deb" Version)" ] || fail "the version"
    grep -q '^# mine' "$root/etc/wayleave/wayleave.toml" || fail "the settings were overwritten"
    [ ! -e "$root/etc/systemd/system/multi-user.target.wants/wayleave.service" ] || fail "it was enabled again"
    [ -L "$root/etc/systemd/system/sockets.target.wants/wayleave.socket" ] || fail "the socket unit was disabled"
done

echo "== without the plug-in of libwebsockets: why the package depends on it"
mkdir -p "$root/tmp/tls/routes.d"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout "$root/tmp/tls/key.pem" -out "$root/tmp/tls/chain.pem" 2>>"$work/apt.log"
printf '[[listen]]\naddress = "127.0.0.1:0"\ntls = { certificate = "chain.pem", key = "key.pem" }\n' >"$root/tmp/tls/wayleave.toml"
cp "$root/etc/wayleave/routes.d/default.route" "$root/tmp/tls/routes.d/"
inside dpkg --remove --force-depends libwebsockets-evlib-ev >>"$work/apt.log" 2>&1
ended=0
inside timeout 60 wayleave serve --config /tmp/tls/wayleave.toml >"$work/daemon.log" 2>&1 || ended=$?
[ $ended = 78 ] || { cat "$work/daemon.log"; fail "with TLS and without the plug-in it ended with $ended"; }
inside apt-get install -y -q -f >>"$work/apt.log" 2>&1 || { tail "$work/apt.log"; fail "mending the dependencies"; }

echo "== removal, purge"
inside apt-get remove -y -q wayleave >>"$work/apt.log" 2>&1
[ -f "$root/etc/wayleave/wayleave.toml" ] || fail "a removal took the settings"
[ ! -e "$root/usr/bin/wayleave" ] || fail "a removal left the program"
inside apt-get purge -y -q wayleave >>"$work/apt.log" 2>&1
left=$(find "$root/etc" "$root/var/lib" "$root/usr" "$root/lib/systemd" -path "$root/var/lib/dpkg" -prune -o -iname '*wayleave*' -print)
[ -z "$left" ] || fail "a purge left $left"
echo "passed"
