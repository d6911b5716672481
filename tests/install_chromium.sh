#!/bin/sh
# Chromium and ChromeDriver for the tests of exported pages, from Debian's packages. Whatever fails, the tests then skip.
reason() { echo "browser: $1; tests of exported pages skip" >&2; exit 0; }

command -v apt-get >/dev/null || reason "no apt-get here"
[ "$(id -u)" = 0 ] || reason "installing chromium needs root: sudo apt-get install chromium chromium-driver"
export DEBIAN_FRONTEND=noninteractive
install() {
    timeout 300 apt-get install -qq -y --no-install-recommends chromium chromium-driver fonts-dejavu-core
}
{ install || { timeout 120 apt-get update -qq && install; }; } >/dev/null 2>&1 ||
    reason "apt-get could not install chromium and chromium-driver"
