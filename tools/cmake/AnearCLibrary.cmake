# libanear.so: the C library. It carries anear's code inside and exports the C functions alone. Its
# soname follows the C interface, not the version of anear.

anear_glob(c_sources bindings/c/src/*.cpp)
add_library(anear_c SHARED ${c_sources})
add_library(anear::c ALIAS anear_c)
set(exports "${PROJECT_SOURCE_DIR}/bindings/c/exports.map")
set(c_include "${PROJECT_SOURCE_DIR}/bindings/c/include")
file(STRINGS "${c_include}/anear.h" abi_line REGEX "^#define ANEAR_ABI_VERSION [0-9]+$")
string(REGEX MATCH "[0-9]+$" abi_version "${abi_line}")
set_target_properties(anear_c PROPERTIES
  EXPORT_NAME c OUTPUT_NAME anear VERSION ${abi_version}.${PROJECT_VERSION_MINOR}.${PROJECT_VERSION_PATCH}
  SOVERSION ${abi_version}
  LINK_DEPENDS "${exports}")
anear_own_target(anear_c)
target_link_libraries(anear_c PRIVATE anear::anear)
file(GLOB headers CONFIGURE_DEPENDS "${c_include}/*.h")
target_sources(anear_c PUBLIC
  FILE_SET HEADERS BASE_DIRS "${c_include}" FILES ${headers})
target_link_options(anear_c PRIVATE
  "LINKER:--version-script=${exports}" LINKER:--exclude-libs,ALL)
if(NOT ANEAR_SANITIZE)
  target_link_options(anear_c PRIVATE LINKER:--no-undefined)
endif()
