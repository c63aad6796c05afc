# nki_module(<name> [DEPENDS <module>...] [SOURCES <file>...])
#
# One folder of core/ (or capi) as an object library nki_<name>. Includes are written with the folder's name
# ("base/str.h"). So that the compiler itself enforces the layers, each module has an include root of its own
# in the build tree that holds nothing but a link <name> -> the source folder; a module sees its own root and
# those of its DEPENDS, with what these depend on, and no other.
define_property(TARGET PROPERTY NKI_ROOTS BRIEF_DOCS "include roots that a module and those above it may use")
set_property(GLOBAL PROPERTY NKI_MODULES "")

function(nki_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS")
  set(root "${PROJECT_BINARY_DIR}/include-roots/${name}")
  file(MAKE_DIRECTORY "${root}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${root}/${name}" SYMBOLIC)

  set(roots "${root}")
  foreach(module IN LISTS arg_DEPENDS)
    if(NOT TARGET nki_${module})
      message(FATAL_ERROR "${name} depends on ${module}, which is not below it")
    endif()
    get_target_property(below nki_${module} NKI_ROOTS)
    list(APPEND roots ${below})
  endforeach()
  list(REMOVE_DUPLICATES roots)

  if(NOT arg_SOURCES) # an object library wants a source; a folder may begin with headers only
    set(arg_SOURCES "${PROJECT_BINARY_DIR}/empty/${name}.c")
    file(CONFIGURE OUTPUT "${arg_SOURCES}" CONTENT "typedef int nki_${name}_has_no_sources;\n")
  endif()
  add_library(nki_${name} OBJECT ${arg_SOURCES})
  set_target_properties(nki_${name} PROPERTIES NKI_ROOTS "${roots}")
  target_include_directories(nki_${name} PRIVATE ${roots})
  target_compile_definitions(nki_${name} PRIVATE NKI_VERSION="${PROJECT_VERSION}")
  target_link_libraries(nki_${name} PRIVATE nki_flags Threads::Threads)
  set_property(GLOBAL APPEND PROPERTY NKI_MODULES ${name})
endfunction()

# All include roots of core/, for the tests that look inside.
function(nki_core_roots out)
  get_property(modules GLOBAL PROPERTY NKI_MODULES)
  list(REMOVE_ITEM modules capi)
  list(TRANSFORM modules PREPEND "${PROJECT_BINARY_DIR}/include-roots/")
  set(${out} ${modules} PARENT_SCOPE)
endfunction()
