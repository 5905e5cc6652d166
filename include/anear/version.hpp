// The version of this library. CMake, the Python package and the release notes read it from here.
#pragma once

#define ANEAR_VERSION_MAJOR 0
#define ANEAR_VERSION_MINOR 1
#define ANEAR_VERSION_PATCH 0
