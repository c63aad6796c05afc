# Compiler and linker flags for all of our own code, through two interface targets: nki_flags (every target of
# ours) and nki_sanitizers (compile and link). Nothing here reaches those who use the installed library.
include(CheckCCompilerFlag)
include(CheckIncludeFile)
include(CheckLinkerFlag)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)

add_library(nki_flags INTERFACE)
target_compile_definitions(nki_flags INTERFACE _GNU_SOURCE)
target_compile_options(nki_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wundef
  -Wimplicit-fallthrough)
# CPython's slots and keyword lists take constant texts through pointers without const.
target_compile_options(nki_flags INTERFACE
  "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:NKI_HOST_WITHOUT_CONST>>>:-Wcast-qual;-Wwrite-strings>")
if(NATSKIT_WERROR)
  target_compile_options(nki_flags INTERFACE -Werror)
endif()

# -- probes (core/base/probe.h) -----------------------------------------------------------------------------
set(nki_usdt OFF)
if(NOT NATSKIT_USDT STREQUAL "OFF")
  check_include_file(sys/sdt.h NKI_HAVE_SYS_SDT_H)
  if(NKI_HAVE_SYS_SDT_H)
    set(nki_usdt ON)
    target_compile_definitions(nki_flags INTERFACE NKI_USDT=1)
  elseif(NATSKIT_USDT STREQUAL "ON")
    message(FATAL_ERROR "NATSKIT_USDT: no sys/sdt.h found (Debian: systemtap-sdt-dev)")
  endif()
endif()

# -- sanitizers ---------------------------------------------------------------------------------------------
set(nki_sanitize "")
if(NATSKIT_BUILD_FUZZERS)
  set(nki_sanitize -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(NATSKIT_SANITIZE STREQUAL "address")
  set(nki_sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(NATSKIT_SANITIZE STREQUAL "thread")
  set(nki_sanitize -fsanitize=thread)
elseif(NOT NATSKIT_SANITIZE STREQUAL "")
  message(FATAL_ERROR "NATSKIT_SANITIZE is '${NATSKIT_SANITIZE}': it is empty, address or thread")
endif()
if(nki_sanitize)
  target_compile_options(nki_flags INTERFACE ${nki_sanitize} -fno-omit-frame-pointer)
  target_link_options(nki_flags INTERFACE ${nki_sanitize})
endif()

# -- hardening ----------------------------------------------------------------------------------------------
# Not with sanitizers: they bring their own, and _FORTIFY_SOURCE hides calls from them. What needs an optimising
# build, or would hide uninitialised reads from valgrind, stays out of Debug. -fzero-call-used-regs is left out:
# it is paid on every return of the many small functions of the hot path.
function(nki_flag_if_known flag)
  string(MAKE_C_IDENTIFIER "nki_has${flag}" have)
  check_c_compiler_flag("${flag}" ${have})
  if(${have})
    target_compile_options(nki_flags INTERFACE ${ARGN})
  endif()
endfunction()

set(nki_optimised "$<NOT:$<CONFIG:Debug>>")
if(NOT nki_sanitize)
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
    nki_flag_if_known(${flag} ${flag})
  endforeach()
  nki_flag_if_known(-ftrivial-auto-var-init=zero "$<${nki_optimised}:-ftrivial-auto-var-init=zero>")
  target_compile_options(nki_flags INTERFACE "$<${nki_optimised}:-U_FORTIFY_SOURCE>"
                                             "$<${nki_optimised}:-D_FORTIFY_SOURCE=3>")
endif()

# Link options of everything that is loaded into a foreign process (the shared library, both modules).
# nodelete: the library owns threads, so dlclose by a host must not unmap code that runs.
function(nki_loadable target)
  foreach(option -z,now -z,relro -z,nodelete --as-needed)
    string(MAKE_C_IDENTIFIER "nki_link${option}" have)
    check_linker_flag(C "LINKER:${option}" ${have})
    if(${have})
      target_link_options(${target} PRIVATE "LINKER:${option}")
    endif()
  endforeach()
endfunction()
