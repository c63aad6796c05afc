# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The lanes of ./check, one function lane_<name> each; sourced by it. A lane runs in a subshell with its output in
# its log. It adds what it ran to the counts by `count`; one that counts nothing is one check, passed or failed by
# its exit code. Builds are shared: `build dev` does nothing the second time in one run.

count() { # passed failed skipped
    echo "$1 $2 $3" >>"$counts"
}

skip() { # why
    echo "skip: $1"
    count 0 0 1
}

# checked TEXT COMMAND...: one check of a lane that consists of several; a command that ends with 77 lacks what it needs
checked() {
    local text=$1 status=0
    shift
    "$@" || status=$?
    case $status in
    0) count 1 0 0 ;;
    77) skip "$text: what it needs is not here" ;;
    *)
        count 0 1 0
        echo "FAILED: $text"
        return 1
        ;;
    esac
}

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        echo "$PYTHON"
    elif [ -x /usr/bin/python3 ]; then
        echo /usr/bin/python3
    else
        command -v python3
    fi
}

# sources PATTERN...: the project's files that match, as git sees them (committed or about to be); outside a clone
# all that are not built. In a pattern * also stands for slashes.
sources() {
    local file pattern
    { git ls-files --cached --others --exclude-standard 2>/dev/null ||
        find . -name 'build*' -prune -o -name .git -prune -o -type f -printf '%P\n'; } | sort -u |
        while read -r file; do
            for pattern in "$@"; do
                # shellcheck disable=SC2053
                if [[ $file == $pattern && -f $file ]]; then
                    printf '%s\n' "$file"
                    break
                fi
            done
        done
}

c_sources() {
    sources '*.c' '*.h'
}

# -- builds and test runners --------------------------------------------------------------------------------

build() { # preset
    [ -e "$logs/built.$1" ] && return 0
    [ -e "$logs/broken.$1" ] && { echo "the build $1 failed before"; return 1; }
    echo "== build $1"
    touch "$logs/broken.$1"
    cmake --preset "$1" >"$logs/configure.$1.log" 2>&1 || {
        cat "$logs/configure.$1.log"
        return 1
    }
    cmake --build --preset "$1" -- --quiet -k 0 || return 1
    mv "$logs/broken.$1" "$logs/built.$1"
}

# with_limit COMMAND...: forty minutes, then TERM, then KILL: a test that hangs is a failure, not a wait
with_limit() {
    timeout --kill-after=10 2400 "$@"
}

# junit FILE NAME...: the sums of these attributes over the suites of a JUnit file
junit() {
    "$python" - "$@" <<'PY'
import sys
import xml.etree.ElementTree as tree

root = tree.parse(sys.argv[1]).getroot()
suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
print(*(sum(int(s.get(name, 0)) for s in suites) for name in sys.argv[2:]))
PY
}

run_ctest() { # preset [ctest's arguments]
    local preset=$1 status=0 total bad off
    shift
    local words="$preset $*"
    local xml=$logs/ctest.${words//[^a-z]/}.xml
    echo "== ctest $words"
    rm -f "$xml"
    ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=ignore --output-junit "$xml" "$@" || status=$?
    [ -s "$xml" ] || return $status
    read -r total bad off < <(junit "$xml" tests failures skipped)
    count $((total - bad - off)) "$bad" "$off"
    return $status
}

run_pytest() { # preset [VARIABLE=value...] -- [option...] what to run
    local preset=$1 status=0 total bad errors off xml variables=()
    shift
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    shift
    [ -n "$(sources 'tests/python/*.py')" ] || return 0
    [ -d "build/$preset/python/natskit" ] || { skip "no Python module was built"; return 0; }
    echo "== pytest $preset $*"
    xml=$logs/pytest.$preset.$(basename "${!#}").xml
    rm -f "$xml"
    with_limit env "${variables[@]}" PYTHONPATH="$root/build/$preset/python:$root/tests/support/python" \
        NATSKIT_BUILD="$root/build/$preset" NK_TAP="$root/build/$preset/tests/support/nk-tap" \
        "$python" -m pytest -q -p no:cacheprovider --junitxml="$xml" "$@" || status=$?
    if [ ! -s "$xml" ]; then
        count 0 1 0
        return 1
    fi
    read -r total bad errors off < <(junit "$xml" tests failures errors skipped)
    count $((total - bad - errors - off)) $((bad + errors)) "$off"
    return $status
}

run_busted() { # preset [VARIABLE=value...] [-- specs]
    local preset=$1 status=0 line variables=()
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    [ $# -eq 0 ] && set -- -- tests/lua
    shift
    [ -n "$(sources 'tests/lua/*_spec.lua')" ] || return 0
    [ -e "build/$preset/lua/natskit.so" ] || { skip "no Lua module was built"; return 0; }
    echo "== busted $preset"
    # busted's own first line takes whatever `lua` is; the module is for 5.4.
    local lua=$root/build/$preset/lua helpers="$root/tests/support/lua/?.lua;$root/tests/lua/?.lua"
    with_limit env "${variables[@]}" LUA_CPATH="$lua/?.so;;" LUA_PATH="$lua/?.lua;$lua/?/init.lua;$helpers;;" \
        NATSKIT_BUILD="$root/build/$preset" NK_TAP="$root/build/$preset/tests/support/nk-tap" \
        lua5.4 "$(command -v busted)" -o plainTerminal "$@" >"$logs/busted.$preset.log" 2>&1 || status=$?
    cat "$logs/busted.$preset.log"
    line=$(grep -E '^[0-9]+ success(es)? / [0-9]+ failures? / [0-9]+ errors? / [0-9]+ pending' "$logs/busted.$preset.log")
    if [ -z "$line" ]; then
        count 0 1 0
        return 1
    fi
    # shellcheck disable=SC2046
    set -- $(echo "$line" | tr -dc '0-9. ' | tr -s ' ')
    count "$1" $(($2 + $3)) "$4"
    return $status
}

# every_face PRESET [VARIABLE=value...]: the tests of all three languages against one build; all run, whatever fails.
# Those of C first, then the others and the torture side by side: each of these mostly waits.
every_face() {
    local bad=0 job beside=()
    run_ctest "$1" -LE '^torture$' || bad=1
    run_ctest "$1" -L '^torture$' >"$logs/torture.out" 2>&1 & beside+=($!)
    run_busted "$@" >"$logs/busted.out" 2>&1 & beside+=($!)
    run_pytest "$@" -- tests/python/sync >"$logs/pytest.out" 2>&1 & beside+=($!)
    run_pytest "$@" -- --ignore=tests/python/sync tests/python || bad=1
    for job in "${beside[@]}"; do
        wait "$job" || bad=1
    done
    cat "$logs/torture.out" "$logs/busted.out" "$logs/pytest.out"
    return $bad
}

# -- lanes: text --------------------------------------------------------------------------------------------

lane_format() { # clang-format on every C file
    local bad
    bad=$(c_sources | xargs -r clang-format --dry-run -Werror --style=file 2>&1 | sed -n 's/^\([^ :]*:[0-9]*\):.* error: .*/\1: not as clang-format writes it/p' | uniq)
    [ -z "$bad" ] || { echo "$bad"; echo "clang-format -i on these files mends it"; return 1; }
}

lane_style() { # length of files and functions, calls and words that are not wanted
    "$python" tools/style.py
}

lane_layers() { # every #include against the table of layers
    "$python" tools/layers.py
}

lane_docs() { # links, paths, commands, names and code in the documents are right, snippets are as in the examples, nothing is left out
    "$python" tools/docs.py
}

lane_packages() { # tools/debian-packages, and what the documents tell to install, are packages that this Debian has
    local names lacking
    names=$(sed 's/#.*//' tools/debian-packages)
    lacking=$(sort <<<"${names// /$'\n'}" | sed '/^$/d' | uniq -d)
    [ -z "$lacking" ] || { echo "twice in tools/debian-packages:" $lacking; return 1; }
    names+=" $(sources '*.md' | xargs sed -n 's/^apt-get install \([^#]*\).*/\1/p' | tr ' ' '\n' | grep -v '[./]' | tr '\n' ' ')"
    # Without its lists apt knows what is installed and nothing else.
    compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || { skip "apt has no lists of packages (apt-get update)"; return 0; }
    # shellcheck disable=SC2086
    lacking=$(comm -23 <(printf '%s\n' $names | sort -u) \
        <(apt-cache policy $names | awk '/^[^ ]/ { sub(":$", ""); name = $0 } /^ *Candidate: [^(]/ { print name }' | sort -u))
    [ -z "$lacking" ] || { echo "no package of this Debian:" $lacking; return 1; }
}

lane_site() { # the documentation as a site, with the reference made from the sources, without a warning
    "$python" -c 'import sphinx, myst_parser' 2>/dev/null || { skip "Sphinx and MyST are not installed"; return 0; }
    build dev || return 1
    "$python" tools/site.py build/dev/python
}

lane_generated() { # files made from others are up to date (pages, Python's blocking face, configurations); what the reference is made of is there
    local script bad=0
    for script in tools/options_page.py tools/errors_page.py tools/calls_page.py tools/reference.py bindings/python/tools/generate_sync.py \
        bindings/python/tools/generate_api.py bindings/lua/tools/generate_config.py; do
        checked "$script" "$python" "$script" --check || bad=1
    done
    return $bad
}

lane_lint_lua() { # luacheck
    local files
    files=$(sources '*.lua')
    [ -n "$files" ] || return 0
    echo "$files" | xargs luacheck --no-color -q
}

lane_lint_python() { # byte-compile and pyflakes
    local files
    files=$(sources '*.py')
    [ -n "$files" ] || return 0
    echo "$files" | xargs "$python" -W error -c '
import sys
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        compile(file.read(), name, "exec")' || return 1
    echo "$files" | xargs "$python" -m pyflakes
}

lane_lint_c() { # clang-tidy on core, capi and the bindings
    cmake --preset clang >"$logs/configure.clang.log" 2>&1 || {
        cat "$logs/configure.clang.log"
        return 1
    }
    sources 'core/*.c' 'capi/*.c' 'bindings/*.c' |
        xargs -r -n 3 -P "$jobs" clang-tidy -p build/clang --quiet
}

# -- lanes: header and interface ----------------------------------------------------------------------------

header_compiles() { # compiler standard includes...
    local compiler=$1 standard=$2 language=c
    shift 2
    if [ "$compiler" = g++ ] || [ "$compiler" = clang++ ]; then language=c++; fi
    local flags=(-std="$standard" -x "$language" -fsyntax-only -pedantic -Wall -Wextra -Wshadow -Werror -Icapi/include)
    if [ "$language" = c ]; then flags+=(-Wstrict-prototypes -Wc++-compat); fi
    printf '#include <natskit.h>\n%.0s' "$@" | "$compiler" "${flags[@]}" -
}

lane_headers() { # the public header alone and twice, as C99 to C2x and C++11 to C++20
    local standard bad=0
    for standard in c99 c11 c17 gnu2x; do
        checked "gcc $standard" header_compiles gcc $standard once || bad=1
        checked "gcc $standard twice" header_compiles gcc $standard once again || bad=1
        checked "clang $standard" header_compiles clang $standard once || bad=1
    done
    for standard in c++11 c++20; do
        checked "g++ $standard" header_compiles g++ $standard once || bad=1
        checked "g++ $standard twice" header_compiles g++ $standard once again || bad=1
    done
    return $bad
}

lane_symbols() { # header, list, exports of both libraries and what the bindings use agree
    build dev || return 1
    "$python" tools/symbols.py build/dev
}

abi_update() {
    log=$logs/abi-update.log
    build release >"$log" 2>&1 || { cat "$log"; return 1; }
    "$python" tools/abi.py update build/release/libnatskit.so.0
}

# previous_build COMMIT: sets $previous to the folder of this commit's build, which is kept while nothing changes
previous_build() {
    local folder=$root/build/abi-previous source
    previous=$folder/$1
    [ -e "$previous/built" ] && return 0
    rm -rf "$folder"
    source=$previous/source
    mkdir -p "$source"
    git archive "$1" | tar -x -C "$source" &&
        cmake -S "$source" -B "$previous" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_SKIP_BUILD_RPATH=ON -DNATSKIT_BUILD_TESTS=OFF \
            -DNATSKIT_BUILD_LUA=OFF -DNATSKIT_BUILD_PYTHON=OFF >"$logs/configure.previous.log" 2>&1 &&
        cmake --build "$previous" -- --quiet && touch "$previous/built"
}

# programs_of_previous LIBRARIES: the programs of $previous with the library of this folder
programs_of_previous() {
    NK_TAP="$root/build/release/tests/support/nk-tap" "$python" tests/abi/previous.py "$previous/examples" "$1"
}

# ffi_of_previous LANGUAGE LIBRARY: its program of examples/ffi with its declarations and this library
ffi_of_previous() {
    NK_TAP="$root/build/release/tests/support/nk-tap" "$python" "$previous/source/tests/ffi/examples.py" "$1" "$2" \
        "$previous/natskit.cdef.h" "$previous/natskit.abi.json" "$previous/source/capi/include"
}

lane_abi() { # the interface against its baseline (libabigail, macros), by a gate that is tried; programs of the previous build with this library
    local bad=0 commit previous language
    build release || return 1
    checked "as its baseline" "$python" tools/abi.py check build/release/libnatskit.so.0 || bad=1
    checked "the gate finds each kind of change" "$python" tests/abi/gate.py build/release/libnatskit.so.0 || bad=1
    commit=$("$python" tools/abi.py previous 2>/dev/null)
    [ -n "$commit" ] || { skip "the history has no build with another interface"; return $bad; }
    checked "the previous build ($commit)" previous_build "$commit" || return 1
    checked "programs of the previous build with a server" programs_of_previous build/release || bad=1
    for language in ctypes luajit; do
        checked "$language with declarations of the previous build" ffi_of_previous $language "$root/build/release/libnatskit.so.0" || bad=1
    done
    return $bad
}

# -- lanes: builds with tests -------------------------------------------------------------------------------

lane_gcc() { # gcc, warnings as errors, the public header set, all tests
    build dev || return 1
    cmake --build --preset dev --target all_verify_interface_header_sets -- --quiet || return 1
    every_face dev
}

lane_clang() { # clang, warnings as errors, unit tests
    build clang || return 1
    run_ctest clang -L 'unit|engine'
}

lane_asan() { # address and undefined behaviour sanitizers, all tests
    build asan || return 1
    # The hosts are not instrumented: the sanitizer is loaded before them, and leaks of theirs are not ours. A
    # server that such a host starts is, through the wrapper, started without it.
    if [ -n "${NATS_SERVER:-}" ]; then
        printf '#!/bin/sh\nunset LD_PRELOAD\nexec "%s" "$@"\n' "$NATS_SERVER" >"$logs/nats-server"
        chmod 755 "$logs/nats-server"
        export NATS_SERVER=$logs/nats-server
    fi
    every_face asan LD_PRELOAD="$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc \
        ASAN_OPTIONS=detect_leaks=0:handle_segv=2
}

lane_tsan() { # thread sanitizer, C tests
    build tsan || return 1
    run_ctest tsan
}

# Files that websocket leaves out: their other ends are scripts, they choose urls themselves, or have no server.
not_over_websocket='catalogue|compat|docs|examples|js_values|loops|names|prefork|process|testing|websocket'

lane_websocket() { # the integration tests of all three languages over ws:// and wss://
    local scheme bad=0 wallet file apart=()
    build dev || return 1
    for file in ${not_over_websocket//|/ }; do
        apart+=(--ignore-glob="*_$file.py")
    done
    # A folder of certificates for Lua, which cannot set SSL_CERT_FILE for itself; it lives as long as the pipe.
    exec 3< <("build/dev/tests/support/nk-wallet")
    read -r _ wallet _ <&3 || return 1
    for scheme in ws wss; do
        export NATSKIT_TEST_SCHEME=$scheme
        run_ctest dev -L '^websocket$' || bad=1
        # shellcheck disable=SC2046
        run_busted dev NATSKIT_TEST_WALLET="$wallet" SSL_CERT_FILE="$wallet/ca.pem" -- \
            $(sources 'tests/lua/*_spec.lua' | grep -Ev "/($not_over_websocket)_spec") || bad=1
        run_pytest dev -- "${apart[@]}" tests/python/sync || bad=1
        run_pytest dev -- --ignore=tests/python/sync "${apart[@]}" tests/python || bad=1
    done
    exec 3<&-
    return $bad
}

lane_fuzz() { # every fuzz target for some seconds, from its corpus
    local program name bad=0 scratch
    local -a dictionary
    build fuzz || return 1
    scratch=$(mktemp -d)
    trap "rm -rf '$scratch'" EXIT # now: the variable is gone when the trap runs
    for program in build/fuzz/tests/fuzz/fuzz_*; do
        [ -x "$program" ] && [ -f "$program" ] || continue
        name=${program##*/fuzz_}
        mkdir -p "$scratch/$name" "$logs/crashes"
        dictionary=()
        [ -f "tests/fuzz/$name.dict" ] && dictionary=(-dict="tests/fuzz/$name.dict")
        checked "fuzz $name" "$program" -max_total_time=$fuzz_seconds -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
            -print_final_stats=1 -artifact_prefix="$logs/crashes/$name-" "${dictionary[@]}" "$scratch/$name" "tests/fuzz/corpus/$name" || bad=1
    done
    return $bad
}

lane_bench() { # the programs of bench/ in all three languages do what they claim; nothing is measured
    build bench || return 1
    run_ctest bench
}

# -- lanes of ./check long ----------------------------------------------------------------------------------

soak_for() { # preset seconds
    build "$1" && NATSKIT_SOAK_SECONDS=$2 ASAN_OPTIONS=handle_segv=2 \
        timeout --kill-after=10 $(($2 + 300)) "build/$1/tests/soak/soak"
}

lane_soak() { # ten minutes of everything at once under faults, two more with the address sanitizer
    local bad=0
    checked "soak" soak_for dev "${NATSKIT_SOAK_SECONDS:-600}" || bad=1
    checked "soak with the address sanitizer" soak_for asan 120 || bad=1
    return $bad
}

lane_chaos() { # five minutes of a cluster whose nodes are killed, stopped and made lame ducks, five more with JetStream
    local program bad=0
    build dev || return 1
    for program in chaos js_chaos; do
        checked "$program" env NATSKIT_CHAOS_SECONDS="${NATSKIT_CHAOS_SECONDS:-300}" timeout --kill-after=10 900 \
            "build/dev/tests/soak/$program" || bad=1
    done
    return $bad
}

lane_torture() { # every allocation and every system call of every scenario fails in turn
    local test bad=0
    build dev || return 1
    for test in memory calls; do
        checked "torture_$test" env NATSKIT_TORTURE=full timeout --kill-after=10 3600 \
            "build/dev/tests/torture/torture_$test" || bad=1
    done
    return $bad
}

# marathon_of preset seconds program VARIABLE=value...: a test's program with greater numbers; it prints its figure
marathon_of() {
    local preset=$1 limit=$2 program=$3
    shift 3
    build "$preset" && env ASAN_OPTIONS=handle_segv=2:detect_stack_use_after_return=1 \
        TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 "$@" \
        timeout --kill-after=10 "$limit" "build/$preset/tests/$program"
}

large_objects_of_peers() { # the object of 256 MiB that this library and others read of each other
    local folder venv
    find_peers
    [ -n "$folder$venv" ] || return 77
    build dev && NATSKIT_OBJECT_MIB=256 with_peer object "$folder" "$venv"
}

lane_marathon() { # tests with great numbers: 10^8 calls, 10,000 drains and lives, 60 s of signals, 20 kills, a million replayed messages, 50 lame ducks, objects of 256 MiB, of other clients too
    local bad=0
    checked "100,000,000 random calls" marathon_of dev 3600 capi/capi_battery NATSKIT_CALLS=100000000 || bad=1
    checked "10,000,000 random calls with the address sanitizer" \
        marathon_of asan 3600 capi/capi_battery NATSKIT_CALLS=10000000 || bad=1
    checked "10,000 drains" marathon_of dev 1800 integration/integration_drain NATSKIT_DRAINS=10000 || bad=1
    checked "20 times the cancellations with the thread sanitizer" \
        marathon_of tsan 3600 integration/integration_cancel NATSKIT_ROUNDS=20 || bad=1
    checked "60 seconds of signals" marathon_of dev 600 integration/integration_signals NATSKIT_SIGNAL_SECONDS=60 || bad=1
    checked "many lives, ten times" marathon_of dev 1800 integration/integration_many_lives NATSKIT_LIVES=10 || bad=1
    checked "20 kills under load" marathon_of dev 600 integration/integration_life NATSKIT_KILLS=20 || bad=1
    checked "a million messages replayed" marathon_of dev 7200 soak/js_replay NATSKIT_REPLAY_MSGS=1000000 || bad=1
    checked "50 lame ducks under load" marathon_of dev 900 integration/integration_lame_duck NATSKIT_DUCKS=50 || bad=1
    run_pytest dev NATSKIT_OBJECT_MIB=256 -- -s tests/python/test_object_memory.py || bad=1
    run_busted dev NATSKIT_OBJECT_MIB=256 -- --filter='little memory' tests/lua/object_store_spec.lua || bad=1
    checked "objects of 256 MiB of other clients" large_objects_of_peers || bad=1
    return $bad
}

lane_seeds() { # a million seeds of the simulator, a process for each processor
    local seeds=${NATSKIT_SEEDS:-1000000} each i status=0
    local -a running=()
    build dev || return 1
    each=$(((seeds + jobs - 1) / jobs))
    for ((i = 0; i < jobs; i++)); do
        NATSKIT_SEEDS=$each NATSKIT_FIRST_SEED=$((1 + i * each)) \
            timeout --kill-after=10 28800 build/dev/tests/engine/engine_sim &
        running+=($!)
    done
    for ((i = 0; i < jobs; i++)); do
        checked "seeds from $((1 + i * each)) on, $each of them" wait "${running[i]}" || status=1
    done
    return $status
}

# -- lanes that run where their tool is ---------------------------------------------------------------------

lane_ruff() { # ruff, where it is installed
    command -v ruff >/dev/null 2>&1 || { skip "ruff is not installed"; return 0; }
    ruff check --no-cache bindings/python tests tools
}

# annotated FOLDER: the programs of a folder use the Lua module as its annotations say
annotated() {
    local config=build/tools/emmyrc.json
    mkdir -p build/tools
    printf '{"runtime": {"version": "Lua5.4"}, "workspace": {"library": ["%s", "%s"]}, "diagnostics": {"disable":
        ["need-check-nil", "unnecessary-assert", "unresolved-require"]}}' "$root/bindings/lua/library" "$root/bindings/lua" >$config
    emmylua_check -c $config --warnings-as-errors "$1"
}

lane_annotations() { # the annotations of the Lua module against the examples, where emmylua_check is installed
    local bad=0 wrong=build/tools/misuse
    PATH=$PATH:$root/build/tools/emmylua/bin
    command -v emmylua_check >/dev/null 2>&1 ||
        { skip "emmylua_check is not installed (cargo install emmylua_check --root build/tools/emmylua)"; return 0; }
    checked "the examples" annotated examples/lua || bad=1
    # A module whose type is not found lets everything pass.
    mkdir -p $wrong
    echo 'assert(require("natskit").connect()):publishh(1)' >$wrong/wrong.lua
    checked "misuse is found" eval "! annotated $wrong" || bad=1
    return $bad
}

lane_loops() { # Python in the event loops that Debian lacks: uvloop, trio
    local venv=build/venv-loops
    if [ ! -e $venv/ready ]; then
        rm -rf $venv
        "$python" -m venv $venv && timeout 180 $venv/bin/python -m pip install -q --disable-pip-version-check \
            uvloop trio-asyncio 'pytest<8' 'pytest-asyncio<0.22' || { skip "uvloop and trio-asyncio cannot be had"; return 0; }
        : >$venv/ready
    fi
    build dev || return 1
    python=$root/$venv/bin/python run_pytest dev -- tests/python/test_loops.py
}

lane_nats_py() { # natskit.compat.nats against nats-py itself, where PyPI has it
    local venv=build/venv-peers
    if [ ! -e $venv/ready ]; then
        rm -rf $venv
        "$python" -m venv $venv && timeout 120 $venv/bin/python -m pip install -q --disable-pip-version-check nats-py==2.16.0 &&
            : >$venv/ready || { skip "pip cannot install nats-py==2.16.0"; return 0; }
    fi
    build dev || return 1
    NATSKIT_NATS_PY=$root/$venv/bin/python run_pytest dev -- tests/python/test_compat.py
}

# find_peers: sets the caller's folder and venv to where the reference (npm `nats`) and nats-py are, "" where they cannot be had
find_peers() {
    folder=build/peers venv=build/venv-peers
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || skip "node and npm are not installed"
    if command -v npm >/dev/null 2>&1 && [ ! -d $folder/node_modules/nats ]; then
        mkdir -p $folder
        timeout 120 npm install --no-audit --no-fund --silent --prefix $folder nats@2.29.3 || skip "npm cannot install nats@2.29.3"
    fi
    if [ ! -e $venv/ready ]; then
        rm -rf $venv
        "$python" -m venv $venv && timeout 120 $venv/bin/python -m pip install -q --disable-pip-version-check nats-py==2.16.0 &&
            : >$venv/ready || skip "pip cannot install nats-py==2.16.0"
    fi
    [ -d $folder/node_modules/nats ] || folder=
    [ -e $venv/ready ] && venv=$root/$venv/bin/python || venv=
}

with_peer() { # name argument...: a program of tests/peers
    local name=$1
    shift
    PYTHONPATH=$root/build/dev/python NATSKIT_BUILD=$root/build/dev "$python" "tests/peers/${name}_peer.py" "$@"
}

lane_peers() { # services, buckets and objects of the reference (npm `nats`) and of nats-py, where their registries are there
    local folder venv
    find_peers
    [ -n "$folder$venv" ] || return 0
    build dev || return 1
    [ -z "$folder" ] || with_peer services "$folder" || return 1
    with_peer kv "$folder" "$venv" && with_peer object "$folder" "$venv"
}

lane_secrets() { # no output of the lanes before it holds a secret of the tests
    local wallet found
    wallet=$(find build -path '*/tests/support/nk-wallet' -type f 2>/dev/null | head -n 1)
    [ -n "$wallet" ] || { skip "no build has nk-wallet"; return 0; }
    "$wallet" --secrets >"$logs/secrets" || return 1
    # the search would find one
    checked "the list of secrets" grep -qFf "$logs/secrets" <<<"-- $(tail -n 1 "$logs/secrets") --" || return 1
    found=$(grep -rlFf "$logs/secrets" --include='*.log' --include='*.xml' "$logs" build/*/Testing/Temporary 2>/dev/null)
    rm -f "$logs/secrets"
    [ -z "$found" ] && return 0
    echo "a secret stands in: $found"
    count 0 1 0
    return 1
}
