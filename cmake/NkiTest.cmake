# nki_test(<name> SOURCES <file>... [LABELS <label>...] [TIMEOUT <seconds>] [PUBLIC] [SERVER])
#
# One cmocka program of the tests, registered with CTest. Programs link the static library, so that tests reach
# hidden functions, and see every include root of core/. PUBLIC leaves those out: the program sees natskit.h and
# tests/support alone. SERVER marks tests that start nats-server, found by $NATS_SERVER or tools/nats-server;
# without one they skip. Exit code 77 means skipped.
find_package(PkgConfig REQUIRED)
pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)

# What every program of tests/ shares, fuzz targets and support included.
function(nki_test_target target)
  target_compile_definitions(${target} PRIVATE
    NKI_TEST_DIR="${PROJECT_SOURCE_DIR}/tests" NKI_TOOLS_DIR="${PROJECT_SOURCE_DIR}/tools")
  target_include_directories(${target} PRIVATE "${PROJECT_BINARY_DIR}/include-roots/tests")
  target_link_libraries(${target} PRIVATE nki_flags natskit_static Threads::Threads)
endfunction()

# A listed source that is not there becomes a test that fails, so that it neither stops the build nor is forgotten.
function(nki_test_missing out name)
  set(${out} OFF PARENT_SCOPE)
  foreach(source IN LISTS ARGN)
    get_filename_component(path "${source}" ABSOLUTE)
    if(NOT EXISTS "${path}")
      message(WARNING "${name}: ${source} is missing")
      add_test(NAME ${name} COMMAND "${CMAKE_COMMAND}" -E false)
      set(${out} ON PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

function(nki_test_environment name)
  if(NATSKIT_SANITIZE STREQUAL "address")
    # cmocka catches SIGSEGV; 2 lets the sanitizer keep its own handler, and with it the report.
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "ASAN_OPTIONS=handle_segv=2:detect_stack_use_after_return=1")
  elseif(NATSKIT_SANITIZE STREQUAL "thread")
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
  endif()
endfunction()

function(nki_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERVER;PUBLIC" "TIMEOUT" "SOURCES;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(arg_SERVER)
    list(APPEND arg_LABELS server)
  endif()
  if(NKI_TEST_LABEL)
    list(APPEND arg_LABELS ${NKI_TEST_LABEL})
  endif()

  nki_test_missing(missing ${name} ${arg_SOURCES})
  if(missing)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  nki_test_target(${name})
  target_link_libraries(${name} PRIVATE nki_test_support PkgConfig::cmocka)
  if(NOT arg_PUBLIC)
    nki_core_roots(roots)
    target_include_directories(${name} PRIVATE ${roots} "${PROJECT_BINARY_DIR}/include-roots/capi")
  endif()

  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77 LABELS "${arg_LABELS}")
  nki_test_environment(${name})
endfunction()

# nki_fuzz(<name>): tests/fuzz/<name>.c with LLVMFuzzerTestOneInput. In the fuzz preset a libFuzzer program; in
# every other build a plain program that replays files, with a test that replays tests/fuzz/corpus/<name>/.
function(nki_fuzz name)
  set(program fuzz_${name})
  add_executable(${program} "${CMAKE_CURRENT_SOURCE_DIR}/${name}.c")
  nki_test_target(${program})
  nki_core_roots(roots)
  target_include_directories(${program} PRIVATE ${roots})
  if(NATSKIT_BUILD_FUZZERS)
    target_link_options(${program} PRIVATE -fsanitize=fuzzer)
    set_property(GLOBAL APPEND PROPERTY NKI_FUZZERS ${program})
  else()
    target_sources(${program} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/driver.c")
  endif()
  # In the fuzz preset -runs=0 makes it read the corpus and stop, as the plain driver does.
  add_test(NAME fuzz.${name}
    COMMAND ${program} "$<$<BOOL:${NATSKIT_BUILD_FUZZERS}>:-runs=0>" "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name}"
    COMMAND_EXPAND_LISTS)
  set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 60 LABELS fuzz)
  nki_test_environment(fuzz.${name})
endfunction()
