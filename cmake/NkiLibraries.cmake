# libnatskit.so and libnatskit.a, made from the same objects.
set(NATSKIT_ABI_MAJOR 0)
set(nki_header "${PROJECT_SOURCE_DIR}/capi/include/natskit.h")
set(nki_symbols "${PROJECT_SOURCE_DIR}/capi/natskit.syms")

# The version script is generated from the list of public symbols ("name  since  state  text"): one node for
# each release that added symbols, each inheriting the one before. An exported symbol never changes its node.
function(nki_version_script out)
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${nki_symbols}")
  if(NOT EXISTS "${nki_symbols}")
    message(WARNING "capi/natskit.syms, the list of public symbols, is missing: nothing is exported")
    file(CONFIGURE OUTPUT "${out}" CONTENT "{ local: *; };\n" @ONLY)
    return()
  endif()
  file(READ "${nki_symbols}" text)
  string(REGEX MATCHALL "(^|\n)natskit_[a-z0-9_]+[ \t]+[0-9]+\\.[0-9]+" rows "${text}")
  set(versions "")
  foreach(row IN LISTS rows)
    string(REGEX MATCH "(natskit_[a-z0-9_]+)[ \t]+([0-9.]+)" ignored "${row}")
    list(APPEND versions "${CMAKE_MATCH_2}")
    list(APPEND "in_${CMAKE_MATCH_2}" "${CMAKE_MATCH_1}")
  endforeach()
  list(REMOVE_DUPLICATES versions)
  list(SORT versions COMPARE NATURAL)
  set(script "")
  set(parent "")
  foreach(version IN LISTS versions)
    list(JOIN "in_${version}" ";\n    " names)
    set(local "")
    if(parent STREQUAL "")
      set(local "  local:\n    *;\n")
    endif()
    string(APPEND script "NATSKIT_${version} {\n  global:\n    ${names};\n${local}}${parent};\n")
    set(parent " NATSKIT_${version}")
  endforeach()
  file(CONFIGURE OUTPUT "${out}" CONTENT "${script}" @ONLY)
endfunction()

get_property(nki_modules GLOBAL PROPERTY NKI_MODULES)
set(nki_objects ${nki_modules})
list(TRANSFORM nki_objects REPLACE "^(.+)$" "$<TARGET_OBJECTS:nki_\\1>")

foreach(kind shared static)
  string(TOUPPER ${kind} upper)
  add_library(natskit_${kind} ${upper} ${nki_objects})
  add_library(natskit::${kind} ALIAS natskit_${kind})
  set_target_properties(natskit_${kind} PROPERTIES
    OUTPUT_NAME natskit
    EXPORT_NAME ${kind}
    LINKER_LANGUAGE C
    ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}"
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
  target_sources(natskit_${kind} PUBLIC
    FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/capi/include" FILES "${nki_header}")
  # Named in natskitConfig.cmake.in and natskit.pc.in, too, for those who link the static library.
  target_link_libraries(natskit_${kind} PRIVATE Threads::Threads OpenSSL::SSL OpenSSL::Crypto)
endforeach()

set_target_properties(natskit_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${NATSKIT_ABI_MAJOR})
target_link_libraries(natskit_shared PRIVATE nki_flags)
nki_loadable(natskit_shared)
set(nki_script "${PROJECT_BINARY_DIR}/natskit.map")
nki_version_script("${nki_script}")
target_link_options(natskit_shared PRIVATE "LINKER:--version-script=${nki_script}")
set_target_properties(natskit_shared PROPERTIES LINK_DEPENDS "${nki_script}")
# clang leaves the sanitizers' own symbols to the program, so that its shared libraries are never complete.
if(NOT (nki_sanitize AND CMAKE_C_COMPILER_ID MATCHES "Clang"))
  target_link_options(natskit_shared PRIVATE "LINKER:-z,defs")
endif()

if(BUILD_SHARED_LIBS)
  add_library(natskit::natskit ALIAS natskit_shared)
else()
  add_library(natskit::natskit ALIAS natskit_static)
endif()
