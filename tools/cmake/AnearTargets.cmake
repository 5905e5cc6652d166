# What all targets of anear have in common: found sources, flags, headers, generated code.

# The build type and the compiler cache, when anear is the project that is built.
macro(anear_set_build_defaults)
  if(PROJECT_IS_TOP_LEVEL)
    if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
      set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
    endif()
    find_program(ANEAR_CCACHE ccache)
    if(ANEAR_CCACHE)
      foreach(language C CXX)
        if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
          set(CMAKE_${language}_COMPILER_LAUNCHER "${ANEAR_CCACHE}")
        endif()
      endforeach()
    endif()
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  endif()
  set(ANEAR_X86 FALSE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    set(ANEAR_X86 TRUE)
  endif()
endmacro()

# Files by pattern, relative to the project; a source that holds nothing while there are none.
function(anear_glob out)
  set(patterns "")
  foreach(pattern IN LISTS ARGN)
    list(APPEND patterns "${PROJECT_SOURCE_DIR}/${pattern}")
  endforeach()
  file(GLOB found CONFIGURE_DEPENDS ${patterns})
  if(NOT found)
    set(found "${PROJECT_BINARY_DIR}/empty.cpp")
    file(CONFIGURE OUTPUT "${found}" CONTENT "// Nothing here yet.\n")
  endif()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# The installed headers of `target`: those of ROOMS, and FILES under include/anear.
# `cmake --build … --target all_verify_interface_header_sets` compiles each one alone.
function(anear_headers target)
  cmake_parse_arguments(arg "" "" "ROOMS;FILES" ${ARGN})
  set(headers "")
  set(bodies "")
  foreach(room IN LISTS arg_ROOMS)
    set(folder "${PROJECT_SOURCE_DIR}/include/anear/${room}")
    file(GLOB found CONFIGURE_DEPENDS "${folder}/*.hpp")
    list(APPEND headers ${found})
    file(GLOB found CONFIGURE_DEPENDS "${folder}/*.inl")
    list(APPEND bodies ${found})
  endforeach()
  foreach(file IN LISTS arg_FILES)
    list(APPEND headers "${PROJECT_SOURCE_DIR}/include/anear/${file}")
  endforeach()
  get_target_property(type ${target} TYPE)
  set(scope PUBLIC)
  if(type STREQUAL "INTERFACE_LIBRARY")
    set(scope INTERFACE)
  endif()
  target_sources(${target} ${scope}
    FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${headers}
    FILE_SET bodies TYPE HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${bodies})
  # Bodies are included by a header of their room and do not compile alone.
  set_target_properties(${target} PROPERTIES
    VERIFY_INTERFACE_HEADER_SETS ON INTERFACE_HEADER_SETS_TO_VERIFY HEADERS)
endfunction()

# Warnings, sanitizers, the x86-64-v2 floor (not with NO_ISA), hidden symbols: for code of ours.
function(anear_own_target target)
  cmake_parse_arguments(arg "NO_ISA" "" "" ${ARGN})
  set(cxx "$<COMPILE_LANGUAGE:CXX>")
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<${cxx}:-Wnon-virtual-dtor>
    $<$<BOOL:${ANEAR_WARNINGS_AS_ERRORS}>:-Werror>)
  if(ANEAR_X86 AND NOT arg_NO_ISA)
    target_compile_options(${target} PRIVATE -march=x86-64-v2)
  endif()
  if(ANEAR_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${ANEAR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${ANEAR_SANITIZE})
    # Asked at each pointer, they take half of the time to compile. Preset fuzz, whose inputs are
    # what could break them, and stage full-sanitizers keep them; what is null ends the program
    # anyway. The libraries, which read mapped files, are asked for alignment always.
    if(ANEAR_SANITIZE MATCHES "undefined" AND NOT ANEAR_SANITIZE_FULLY)
      get_target_property(type ${target} TYPE)
      target_compile_options(${target} PRIVATE -fno-sanitize=null,pointer-overflow,object-size,vptr
        $<$<NOT:$<STREQUAL:${type},STATIC_LIBRARY>>:-fno-sanitize=alignment>)
    endif()
  endif()
  set_target_properties(${target} PROPERTIES
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# src/simd: each kernel unit with the flags of its ISA, and optimised in every build, so that no
# code of a higher ISA stays behind in a shared inline function. The rest runs on any processor.
function(anear_isa_flags target)
  get_target_property(sources ${target} SOURCES)
  set(v2 -march=x86-64-v2)
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    set(flags "")
    if(ANEAR_X86)
      if(name STREQUAL "kernels_v2")
        set(flags ${v2})
      elseif(name STREQUAL "kernels_avx2")
        set(flags ${v2} -mavx2 -mfma -mf16c)
      elseif(name STREQUAL "kernels_avx512")
        set(flags ${v2} -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl)
      elseif(name STREQUAL "kernels_neon")
        set_source_files_properties("${source}" PROPERTIES HEADER_FILE_ONLY ON)
      endif()
    elseif(name MATCHES "^kernels_(v2|avx2|avx512)$")
      set_source_files_properties("${source}" PROPERTIES HEADER_FILE_ONLY ON)
    endif()
    if(name MATCHES "^kernels_")
      list(APPEND flags "$<$<CONFIG:Debug>:-O2>")
      set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS "${flags}")
    endif()
  endforeach()
endfunction()

# Compiles schemas into <build>/generated/<their folder below src>/<name>_generated.h; the target
# <target>_schemas does that alone.
function(anear_flatbuffers target)
  set(patterns "")
  set(outputs "")
  foreach(pattern IN LISTS ARGN)
    list(APPEND patterns "${PROJECT_SOURCE_DIR}/${pattern}")
  endforeach()
  file(GLOB schemas CONFIGURE_DEPENDS ${patterns})
  find_program(ANEAR_FLATC flatc REQUIRED)
  foreach(schema IN LISTS schemas)
    file(RELATIVE_PATH place "${PROJECT_SOURCE_DIR}/src" "${schema}")
    get_filename_component(folder "${place}" DIRECTORY)
    get_filename_component(name "${schema}" NAME_WE)
    set(output "${PROJECT_BINARY_DIR}/generated/${folder}/${name}_generated.h")
    add_custom_command(OUTPUT "${output}"
      COMMAND "${ANEAR_FLATC}" --cpp --scoped-enums -o "${PROJECT_BINARY_DIR}/generated/${folder}"
              "${schema}"
      DEPENDS ${schemas} COMMENT "flatc ${place}" VERBATIM)
    target_sources(${target} PRIVATE "${output}")
    list(APPEND outputs "${output}")
  endforeach()
  add_custom_target(${target}_schemas DEPENDS ${outputs})
  add_dependencies(${target} ${target}_schemas)
  target_include_directories(${target} SYSTEM PRIVATE "${PROJECT_BINARY_DIR}/generated")
endfunction()
