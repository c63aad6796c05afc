# The target `uninstall`: removes the files that `cmake --install` of this build folder listed in its manifests, and
# the folders of natskit's own that are empty then. Folders that others use, too, stay. $DESTDIR goes before each path.
#
#   cmake -DBUILD=build -P cmake/uninstall.cmake
file(GLOB manifests "${BUILD}/install_manifest*.txt")
if(NOT manifests)
  message(FATAL_ERROR "${BUILD} has no install_manifest.txt: nothing was installed from it")
endif()
foreach(manifest IN LISTS manifests)
  file(STRINGS "${manifest}" files)
  foreach(file IN LISTS files)
    file(REMOVE "$ENV{DESTDIR}${file}")
    get_filename_component(folder "$ENV{DESTDIR}${file}" DIRECTORY)
    while(folder MATCHES "/natskit[^/]*(/|$)")
      file(GLOB left LIST_DIRECTORIES ON "${folder}/*" "${folder}/.*")
      if(left)
        break()
      endif()
      file(REMOVE_RECURSE "${folder}")
      get_filename_component(folder "${folder}" DIRECTORY)
    endwhile()
  endforeach()
  file(REMOVE "${manifest}")
endforeach()
