# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lanes of ./check that install what was built, each way into a folder of its own, use it from there, and remove it
# again: sourced by it after tools/lanes.sh.

# with_server COMMAND...: with $NATS_URL of a server; the programs that start it are those of the release build
with_server() {
    env NK_TAP="$root/build/release/tests/support/nk-tap" "$python" tests/install/with_server.py env -u NK_TAP "$@"
}

# says_hello COMMAND...: the README's first program, in whatever language
says_hello() {
    local said
    said=$(with_server "$@") || return
    [ "$said" = "greet.joe: hello" ] && return 0
    echo "$*: says '$said'"
    return 1
}

consumer_by_cmake() { # prefix shared(ON|OFF) folder
    cmake -S tests/install -B "$3" -G Ninja -DCMAKE_PREFIX_PATH="$1" -DBUILD_SHARED_LIBS="$2" >/dev/null &&
        cmake --build "$3" -- --quiet && "$3/consumer_c" && "$3/consumer_cxx" && says_hello "$3/hello"
}

consumer_by_pkgconfig() { # prefix shared|static folder
    local compiler source libs
    mkdir -p "$3"
    export PKG_CONFIG_PATH
    PKG_CONFIG_PATH=$(find "$1" -name natskit.pc -printf '%h')
    for compiler in gcc g++; do
        source=tests/install/main.c
        if [ $compiler = g++ ]; then source=tests/install/main.cpp; fi
        if [ "$2" = shared ]; then
            libs="$(pkg-config --libs natskit) -Wl,-rpath,$(pkg-config --variable=libdir natskit)"
        else
            libs="$(pkg-config --libs --static natskit | sed 's/-lnatskit/-l:libnatskit.a/')"
        fi
        # shellcheck disable=SC2046,SC2086
        $compiler -Wall -Werror $(pkg-config --cflags natskit) $source -o "$3/$compiler" $libs && "$3/$compiler" || return 1
    done
    # shellcheck disable=SC2046,SC2086
    gcc $(pkg-config --cflags natskit) examples/c/hello.c -o "$3/hello" $libs && says_hello "$3/hello"
}

# scratch_folder: sets $scratch, which is removed at the lane's end
scratch_folder() {
    scratch=$(mktemp -d)
    trap "rm -rf '$scratch'" EXIT # now: the variable is gone when the trap runs
}

python_works() { # interpreter folder-of-the-package
    local -a with=(env PYTHONPATH="$2" PYTHONDONTWRITEBYTECODE=1 "$1" -W error)
    with_server "${with[@]}" tests/install/smoke.py "$2" && says_hello "${with[@]}" examples/python/hello.py &&
        says_hello "${with[@]}" examples/python/hello_sync.py
}

lua_works() { # interpreter folder-of-modules folder-of-Lua-files
    local -a with=(env LUA_CPATH="$2/?.so;;" LUA_PATH="$3/?.lua;;" "$1")
    with_server "${with[@]}" tests/install/smoke.lua "$2" || return 1
    # Older hosts cannot read the mark <close>.
    [ "$1" != lua5.4 ] || says_hello "${with[@]}" examples/lua/hello.lua
}

# nothing_left FOLDER: no file, and no folder of natskit's own
nothing_left() {
    local left
    left=$(find "$1" \( -not -type d -o -name '*natskit*' \) -not -path "$1")
    [ -z "$left" ] && return 0
    echo "left behind:"
    echo "$left"
    return 1
}

# no_paths FOLDER: nothing installed holds a path of the build; of binaries it is debug information that would
no_paths() {
    ! grep -rIl -e "$scratch" -e "$root/" "$1"
}

ffi_from() { # prefix language: a program of examples/ffi with what is installed
    local library
    library=$(find "$1/lib" -name libnatskit.so.0)
    NK_TAP="$root/build/release/tests/support/nk-tap" "$python" tests/ffi/examples.py "$2" "$library" \
        "$1/share/natskit/natskit.cdef.h" "$1/share/natskit/natskit.abi.json" "$1/include"
}

by_destdir() { # install, move, use, uninstall
    local kind bad=0 usr=$scratch/moved/usr
    DESTDIR=$scratch/root cmake --install build/release >/dev/null || return 1
    cp -a "$scratch/root" "$scratch/moved"
    checked "no path of the build" no_paths "$scratch/moved" || bad=1
    checked "find_package, shared" consumer_by_cmake "$usr" ON "$scratch/cmake-shared" || bad=1
    checked "find_package, static" consumer_by_cmake "$usr" OFF "$scratch/cmake-static" || bad=1
    for kind in shared static; do
        checked "pkg-config, $kind" consumer_by_pkgconfig "$usr" $kind "$scratch/pc-$kind" || bad=1
    done
    checked "natskit-bench" "$usr/bin/natskit-bench" --version || bad=1
    checked "declarations" ffi_from "$usr" luajit || bad=1
    checked "description" ffi_from "$usr" ctypes || bad=1
    DESTDIR=$scratch/root cmake --build build/release --target uninstall -- --quiet
    checked "uninstall leaves nothing" nothing_left "$scratch/root" || bad=1
    return $bad
}

# looks_in FOLDER COMMAND...: the paths that a host prints have this folder
looks_in() {
    local folder=$1 said
    shift
    said=$("$@") # not by a pipe: who reads no further breaks it
    [[ $said == *"$folder"* ]] && return 0
    echo "$folder is not where this looks: $*"
    return 1
}

by_readme() { # the README's commands for C, as they are, but for the folder of the build: what a machine gets in /usr/local
    local bad=0 build=$scratch/readme local=$scratch/readme-root/usr/local packages
    env -u CMAKE_GENERATOR cmake -S . -B "$build" -DNATSKIT_BUILD_TESTS=OFF >"$logs/readme.log" 2>&1 &&
        cmake --build "$build" -j "$jobs" >>"$logs/readme.log" 2>&1 || { cat "$logs/readme.log"; return 1; }
    DESTDIR=$scratch/readme-root cmake --install "$build" >/dev/null || return 1
    checked "find_package" consumer_by_cmake "$local" ON "$scratch/readme-cmake" || bad=1
    checked "pkg-config" consumer_by_pkgconfig "$local" shared "$scratch/readme-pc" || bad=1
    packages=$(find "$local/lib" -path '*-packages/natskit' -printf '%h')
    checked "Python" python_works "$python" "$packages" || bad=1
    # Only an interpreter of Debian looks into /usr/local.
    [ "$python" != /usr/bin/python3 ] || checked "Python finds it" looks_in "/usr/local${packages#"$local"}" \
        "$python" -c 'import sys; print(*sys.path, sep="\n")' || bad=1
    checked "Lua" lua_works lua5.4 "$local/lib/lua/5.4" "$local/share/lua/5.4" || bad=1
    checked "Lua finds it" looks_in "/usr/local/lib/lua/5.4/?.so" lua5.4 -e 'print(package.cpath)' || bad=1
    DESTDIR=$scratch/readme-root cmake --build "$build" --target uninstall >/dev/null || bad=1
    checked "uninstall leaves nothing" nothing_left "$scratch/readme-root" || bad=1
    return $bad
}

# dpkg_in ARGUMENTS...: dpkg with a database and a root of its own. The packages' scripts do nothing but call ldconfig,
# which is not this machine's business here.
dpkg_in() {
    PATH="$scratch/stubs:$PATH" dpkg --root="$scratch/debian" --log=/dev/null --force-not-root --force-depends \
        --force-script-chrootless "$@" >"$logs/dpkg.log" 2>&1 || { cat "$logs/dpkg.log"; return 1; }
}

packages_depend() { # the packages name what they need, and no more than Debian's
    local package bad=0
    for package in "$@"; do
        case $(basename "$package") in
        libnatskit-dev_*) dpkg-deb -f "$package" Depends | grep -E 'libnatskit0 \(= .*libssl-dev' ;;
        python3-*) dpkg-deb -f "$package" Depends | grep -E 'libssl3 .*python3 \(>= 3.11\)|python3 \(>= 3.11\).*libssl3' ;;
        *) dpkg-deb -f "$package" Depends | grep -E '^libc6 [^,]*, libssl3 [^,]*$' ;;
        esac >/dev/null || { echo "$package: Depends: $(dpkg-deb -f "$package" Depends)"; bad=1; }
    done
    return $bad
}

by_packages() { # the Debian packages: made, installed, used, purged
    local bad=0 usr=$scratch/debian/usr multiarch
    local -a packages
    rm -rf build/release/packages
    cpack --config build/release/CPackConfig.cmake >"$logs/cpack.log" 2>&1 || { cat "$logs/cpack.log"; return 1; }
    packages=(build/release/packages/*.deb)
    checked "names of the packages" test "$(for p in "${packages[@]}"; do dpkg-deb -f "$p" Package; done | sort | tr '\n' ' ')" = \
        "libnatskit-dev libnatskit0 lua-natskit natskit-tools python3-natskit " || bad=1
    checked "what they depend on" packages_depend "${packages[@]}" || bad=1
    mkdir -p "$scratch/debian/var/lib/dpkg/"{info,updates} "$scratch/stubs"
    touch "$scratch/debian/var/lib/dpkg/"{status,available}
    printf '#!/bin/sh\n' >"$scratch/stubs/ldconfig"
    chmod 755 "$scratch/stubs/ldconfig"
    dpkg_in --install "${packages[@]}" || return 1
    multiarch=$(dirname "$(find "$usr/lib" -name libnatskit.so.0)")
    checked "C" consumer_by_pkgconfig "$usr" shared "$scratch/deb-c" || bad=1
    checked "Python" python_works "$python" "$usr/lib/python3/dist-packages" || bad=1
    checked "Lua" lua_works lua5.4 "$multiarch/lua/5.4" "$usr/share/lua/5.4" || bad=1
    dpkg_in --purge libnatskit-dev libnatskit0 lua-natskit natskit-tools python3-natskit || return 1
    rm -rf "$scratch/debian/var"
    checked "purge leaves nothing" nothing_left "$scratch/debian" || bad=1
    return $bad
}

demo_works() { # the README's first command
    [ -n "${NATS_SERVER:-}" ] || return 77
    ./demo >"$logs/demo.log" 2>&1 && grep -q '^All four tours ran' "$logs/demo.log" && return 0
    cat "$logs/demo.log"
    return 1
}

lane_install() { # the demo; install, move, use and uninstall, as the README says it, by CMake and by Debian packages: CMake, pkg-config, C, C++, shared, static, Lua, Python, FFIs
    local bad=0
    build release || return 1
    scratch_folder
    checked "./demo" demo_works || bad=1
    by_readme || bad=1
    by_destdir || bad=1
    by_packages || bad=1
    return $bad
}

# -- Python -------------------------------------------------------------------------------------------------

# tool_venv NAME PACKAGE...: sets $venv to an environment of build/tools that has these from PyPI; skips where they
# cannot be had
tool_venv() {
    venv=$root/build/tools/$1
    shift
    [ -x "$venv/bin/pip" ] || "$python" -m venv "$venv" || { skip "$python makes no virtual environments (python3-venv)"; return 1; }
    timeout 300 "$venv/bin/pip" install -q --retries 1 "$@" >"$logs/pip.log" 2>&1 && return 0
    skip "PyPI does not give $*"
    return 1
}

every_python() { # each Python >= 3.11 of this machine, one for each version
    local candidate
    for candidate in "$python" $(compgen -c python3. | grep -E '^python3\.[0-9]+$' | sort -u) \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
        "$candidate" -c 'import sys, venv
if sys.version_info >= (3, 11): print(sys.version.split()[0], sys.executable)' 2>/dev/null
    done | sort -u -k1,1 -V | cut -d' ' -f2
}

wheel_works() { # interpreter what-to-install
    local folder=$scratch/venv.$(basename "$(dirname "$(dirname "$1")")").$(basename "$1") before site
    "$1" -m venv --without-pip "$folder" || return 1
    site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
    before=$(find "$folder" | sort)
    "$venv/bin/pip" --python "$folder/bin/python" install -q --no-deps --no-index --no-build-isolation --no-compile "$2" || return 1
    python_works "$folder/bin/python" "$site" || return 1
    "$venv/bin/pip" --python "$folder/bin/python" uninstall -q -y natskit || return 1
    [ "$before" = "$(find "$folder" | sort)" ] && return 0
    echo "left behind:"
    diff <(echo "$before") <(find "$folder" | sort)
    return 1
}

lane_wheel() { # pip install . and the wheel on every Python of this machine, where PyPI has the build's backend
    local bad=0 wheel interpreter
    build release || return 1
    tool_venv wheel 'scikit-build-core>=0.10' 'pip>=24' || return 0
    scratch_folder
    PATH="$venv/bin:$PATH" checked "pip wheel" "$venv/bin/pip" wheel -q --no-deps --no-build-isolation -w "$scratch/dist" . || return 1
    wheel=$(echo "$scratch/dist/"*.whl)
    checked "the wheel's name" grep -E '/natskit-[0-9.]+-cp311-abi3-linux_[a-z0-9_]+\.whl$' <<<"$wheel" || bad=1
    for interpreter in $(every_python); do
        checked "the wheel on $interpreter" wheel_works "$interpreter" "$wheel" || bad=1
    done
    # The folder of the build is there still: this compiles nothing again.
    checked "pip install ." pip_install_works || bad=1
    return $bad
}

pip_install_works() { # as a user says it, in a virtual environment
    local folder=$scratch/own
    "$python" -m venv --system-site-packages "$folder" || return 1
    PYTHONPATH=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
        "$folder/bin/python" -m pip install -q --no-build-isolation --no-deps . || return 1
    python_works "$folder/bin/python" "$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"
}

# tool_node NAME: sets $node_tools to a folder of build/tools with this package of npm; skips where it cannot be had
tool_node() {
    node_tools=$root/build/tools/node
    mkdir -p "$node_tools"
    if command -v npm >/dev/null 2>&1 && { [ -d "$node_tools/node_modules/$1" ] ||
        timeout 300 npm install --silent --no-audit --no-fund --prefix "$node_tools" "$1" >"$logs/npm.log" 2>&1; }; then
        return 0
    fi
    skip "npm does not give $1"
    return 1
}

mypy_passes() {
    MYPYPATH=$root/build/release/python "$venv/bin/mypy" --strict --no-error-summary --cache-dir "$root/build/tools/mypy" "$@"
}

stubtest_passes() { # the .pyi against the extension
    PYTHONPATH=$root/build/release/python "$venv/bin/python" -m mypy.stubtest natskit \
        --allowlist tests/python/stubtest.allow --ignore-unused-allowlist
}

# Programs that use the package. What an iteration yields only where it was asked for (markers, statuses) is not in its
# type, so that asking for it counts as needless.
pyright_strict() {
    local sites=$root/build/release/python config=$root/build/tools/pyright.json
    printf '{"include": ["../../examples/python", "../../tests/install"], "typeCheckingMode": "strict", "pythonVersion": "3.11",
        "reportMissingModuleSource": false, "reportUnnecessaryIsInstance": false, "reportUnnecessaryComparison": false, "extraPaths": ["%s", "../../tests/support/python"]}' "$sites" >"$config"
    node "$node_tools/node_modules/pyright/index.js" -p "$config"
}

surface_is_typed() { # no type that a program can see is unknown to type checkers
    PYTHONPATH=$root/build/release/python node "$node_tools/node_modules/pyright/index.js" --outputjson \
        --verifytypes natskit --ignoreexternal >"$logs/pyright.json"
    "$python" - "$logs/pyright.json" <<'PY'
import json
import sys

told = json.load(open(sys.argv[1], encoding="utf-8"))["typeCompleteness"]
unknown = [s for s in told["symbols"] if not s["isTypeKnown"] and not s["isTypeAmbiguous"]]
for symbol in unknown:
    print(symbol["name"], *(d["message"] for d in symbol["diagnostics"]))
count = told["exportedSymbolCounts"]
print(count)
sys.exit(bool(unknown or count["withUnknownType"] or count["withKnownType"] < 100))
PY
}

lane_types() { # types of the Python package, where PyPI and npm have the checkers: mypy, stubtest, pyright strict
    local bad=0
    build release || return 1
    if tool_venv types 'mypy>=1.18' 'pip>=24'; then
        checked "mypy, the package" mypy_passes bindings/python/natskit || bad=1
        checked "mypy, the examples" mypy_passes examples/python/*.py tests/install/smoke.py tests/install/typed.py || bad=1
        checked "stubtest" stubtest_passes || bad=1
    fi
    if tool_node pyright; then
        checked "pyright strict, programs" pyright_strict || bad=1
        checked "pyright, the public surface" surface_is_typed || bad=1
    fi
    return $bad
}

lane_ffi_node() { # the program for Node of examples/ffi, where npm has koffi
    command -v node >/dev/null 2>&1 || { skip "there is no node"; return 0; }
    build release || return 1
    tool_node koffi || return 0
    checked "examples/ffi with Node" env NODE_PATH="$node_tools/node_modules" NK_TAP="$root/build/release/tests/support/nk-tap" \
        "$python" tests/ffi/examples.py node build/release/libnatskit.so.0 build/release/natskit.cdef.h build/release/natskit.abi.json capi/include
}

# -- Lua ----------------------------------------------------------------------------------------------------

rock_is_gone() { # tree
    local left
    left=$(find "$1" \( -name '*natskit*' -o -name '*.so' -o -name '*.lua' \) -not -name manifest)
    [ -z "$left" ] && return 0
    echo "left behind:"
    echo "$left"
    return 1
}

lane_rock() { # luarocks make, use, remove; LuaCATS annotations for language servers
    local bad=0 rock=bindings/lua/natskit-dev-1.rockspec tree
    build release || return 1
    scratch_folder
    tree=$scratch/tree
    checked "luarocks lint" luarocks --lua-version=5.4 lint $rock || bad=1
    checked "luarocks make" env CMAKE_GENERATOR=Ninja luarocks --lua-version=5.4 --tree "$tree" make $rock || return 1
    checked "use" lua_works lua5.4 "$tree/lib/lua/5.4" "$tree/share/lua/5.4" || bad=1
    checked "annotations" test -s "$(find "$tree/lib/luarocks" -path '*/natskit/library/natskit.lua')" || bad=1
    checked "luarocks remove" luarocks --lua-version=5.4 --tree "$tree" remove natskit || bad=1
    checked "remove leaves nothing" rock_is_gone "$tree" || bad=1
    return $bad
}

# older_host HOST FOLDER SPEC...: the specs with an older host. A copy of them, without what these hosts cannot read: the
# marks <close> and <const>, formats of read without their star.
older_host() {
    local host=$1 build=$root/build/release module=$root/build/release/$2 copy=$scratch/$1 name
    command -v "$host" >/dev/null 2>&1 || { skip "there is no $host"; return 0; }
    shift 2
    mkdir -p "$copy/tests"
    for name in bindings core capi examples tests/catalogue; do
        ln -s "$root/$name" "$copy/$name"
    done
    mkdir "$copy/tests/support"
    cp -r tests/lua "$copy/tests/lua"
    cp -r tests/support/lua "$copy/tests/support/lua"
    sed -i -E "s/ <(close|const)>//; s/lua5\\.4 /$host /; s/(:read|:lines|io\\.read)\\(\"([al])\"/\\1(\"*\\2\"/g" \
        "$copy"/tests/lua/*.lua "$copy"/tests/support/lua/*.lua
    (
        cd "$copy" || exit 1
        with_limit env LUA_CPATH="$module/?.so;;" LUA_PATH="$module/?.lua;$copy/tests/support/lua/?.lua;$copy/tests/lua/?.lua;;" \
            NATSKIT_BUILD="$build" NK_TAP="$build/tests/support/nk-tap" \
            "$host" "$(command -v busted)" -o plainTerminal --helper=tests/lua/older.lua "${@/#/tests/lua/}"
    )
}

lane_lua_hosts() { # the Lua module for 5.3, 5.1 and LuaJIT
    local bad=0
    local -a blocking=(json_spec.lua header_spec.lua pubsub_spec.lua request_spec.lua event_spec.lua)
    build release || return 1
    scratch_folder
    # The folder of the release build is left as it was: the packages have Lua 5.4's module alone.
    trap "cmake --preset release -DNATSKIT_LUA= >/dev/null; rm -rf '$scratch'" EXIT
    cmake --preset release -DNATSKIT_LUA='5.3;5.1;luajit' >/dev/null && cmake --build --preset release -- --quiet || return 1
    checked "Lua 5.3" older_host lua5.3 lua-5.3 "${blocking[@]}" scheduler_spec.lua connect_spec.lua js_manage_spec.lua || bad=1
    checked "Lua 5.1" older_host lua5.1 lua-5.1 "${blocking[@]}" || bad=1
    checked "LuaJIT" older_host luajit lua-luajit "${blocking[@]}" || bad=1
    checked "the luv adapter" lua_works lua5.3 "$root/build/release/lua-5.3" "$root/build/release/lua-5.3" || bad=1
    return $bad
}
