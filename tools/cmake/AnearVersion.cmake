# Reads the version from the header that states it.

function(anear_read_version header out)
  file(READ "${header}" text)
  set(parts "")
  foreach(part MAJOR MINOR PATCH)
    if(NOT text MATCHES "#define ANEAR_VERSION_${part} ([0-9]+)")
      message(FATAL_ERROR "${header} does not state ANEAR_VERSION_${part}")
    endif()
    list(APPEND parts "${CMAKE_MATCH_1}")
  endforeach()
  list(JOIN parts "." version)
  set(${out} "${version}" PARENT_SCOPE)
endfunction()
