#!/bin/sh
# Installs Tapsight as a service: its own Python environment, its own user, a configuration to fill in, a unit for systemd.
#   packaging/install.sh [--root DIR] [SOURCE]
# SOURCE: a wheel or a checkout; by default the checkout that this file lies in. --root DIR: into DIR instead of /, without user and systemd (for images and tests).
# Running it again updates: the configuration and what the sensor has gathered stay as they are.
set -eu

root=""
if [ "${1:-}" = "--root" ]; then
  root=${2:?--root needs a directory}
  shift 2
fi
here=$(cd "$(dirname "$0")" && pwd)
source=${1:-$(dirname "$here")}

if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
  echo "install.sh: only root can install a service (or give --root DIR)" >&2
  exit 1
fi
python=$(command -v python3) || { echo "install.sh: python3 (3.11 or newer) is needed" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "install.sh: Python 3.11 or newer is needed, here is $("$python" -V)" >&2; exit 1; }

mkdir -p "$root/opt" "$root/etc/tapsight" "$root/var/lib/tapsight" "$root/etc/systemd/system"
[ -x "$root/opt/tapsight/bin/python" ] || "$python" -m venv "$root/opt/tapsight"
"$root/opt/tapsight/bin/python" -m pip install --quiet --upgrade "$source"
if [ ! -e "$root/etc/tapsight/tapsight.yaml" ]; then
  "$root/opt/tapsight/bin/tapsight" config init >"$root/etc/tapsight/tapsight.yaml"
  echo "fill in $root/etc/tapsight/tapsight.yaml: run.taps and where to deliver"
fi
cp "$here/tapsight.service" "$root/etc/systemd/system/tapsight.service"

if [ -z "$root" ]; then
  id tapsight >/dev/null 2>&1 || useradd --system --home-dir /var/lib/tapsight --shell /usr/sbin/nologin tapsight
  chown root:tapsight /etc/tapsight/tapsight.yaml
  chmod 640 /etc/tapsight/tapsight.yaml
  chown tapsight:tapsight /var/lib/tapsight
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if systemctl is-active --quiet tapsight; then
      echo "then: systemctl restart tapsight"
    else
      echo "then: tapsight doctor; systemctl enable --now tapsight"
    fi
  fi
  ln -sf /opt/tapsight/bin/tapsight /usr/local/bin/tapsight
fi
echo "installed: $("$root/opt/tapsight/bin/tapsight" --version)"
