# Debian packages, one for each install component: `cpack --config build/release/CPackConfig.cmake`. For a build that
# was configured with the prefix /usr, as the preset release is: the files then lie where Debian's own would.
if(NOT PROJECT_IS_TOP_LEVEL OR NOT NATSKIT_INSTALL_C)
  return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "natskit")
set(CPACK_PACKAGE_CONTACT "the natskit developers <natskit@example.org>")
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_BINARY_DIR}/package-docs.cmake")
# Read by package-docs.cmake, which finds each package's name by its component.
set(CPACK_NKI_SOURCE_DIR "${PROJECT_SOURCE_DIR}")
set(CPACK_NKI_PREFIX "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/package-docs.cmake" "${PROJECT_BINARY_DIR}/package-docs.cmake" COPYONLY)

# nki_package(<component> <package> <section> <summary> <text> [DEPENDS <text>] [SUGGESTS <text>])
macro(nki_package component package section summary text)
  cmake_parse_arguments(arg "" "DEPENDS;SUGGESTS" "" ${ARGN})
  string(TOUPPER ${component} nki_upper)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  set(CPACK_DEBIAN_${nki_upper}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${nki_upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${nki_upper}_PACKAGE_DEPENDS "${arg_DEPENDS}")
  set(CPACK_DEBIAN_${nki_upper}_PACKAGE_SUGGESTS "${arg_SUGGESTS}")
  set(CPACK_DEBIAN_${nki_upper}_DESCRIPTION "${summary}\n${text}")
endmacro()

set(CPACK_COMPONENTS_ALL "")
nki_package(runtime libnatskit${NATSKIT_ABI_MAJOR} libs "NATS client library"
  "A client of the messaging system NATS: messages, requests, JetStream and key-value buckets.")
nki_package(dev libnatskit-dev libdevel "NATS client library, development files"
  "Header, static library, CMake and pkg-config files, and declarations for the FFIs of other languages."
  DEPENDS "libssl-dev")
set(CPACK_COMPONENT_DEV_DEPENDS runtime)
if(TARGET natskit_bench)
  nki_package(tools natskit-tools net "NATS benchmark" "natskit-bench measures a NATS server with this client.")
endif()
if(TARGET natskit_lua)
  nki_package(lua lua-natskit interpreters "NATS client for Lua"
    "The module natskit of Lua 5.4, blocking or in an event loop. The library is inside."
    SUGGESTS "lua5.4, lua-luv")
endif()
if(TARGET natskit_python)
  nki_package(python python3-natskit python "NATS client for Python"
    "The package natskit for asyncio, and natskit.sync with blocking calls. The library is inside."
    DEPENDS "python3 (>= 3.11)")
endif()
include(CPack)
