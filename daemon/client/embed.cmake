# Writes FUNCTION.cc, which defines what HEADER declares: FILES, minified by ESBUILD if there is one, and compressed by GZIP. TO is where.

# file(READ) of bytes: nothing in them means anything to CMake.
function(array_of file out)
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
    set(${out} "${bytes}" PARENT_SCOPE)
endfunction()

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${ARGV} failed")
    endif()
endfunction()

set(text "#include \"${HEADER}\"\n\n#include <array>\n\nnamespace wayleave {\nnamespace {\n")
set(rows "")
foreach(file ${FILES})
    get_filename_component(name ${file} NAME)
    string(REGEX REPLACE "^react" "wayleave-react" name ${name})  # beside files that are not ours
    set(served ${TO}/${name})
    if(ESBUILD AND file MATCHES "\\.js$")
        run(${ESBUILD} --log-level=warning --minify --charset=utf8 ${file} --outfile=${served})
    else()
        run(${CMAKE_COMMAND} -E copy ${file} ${served})
    endif()
    run(${GZIP} -9 -n -k -f ${served})
    string(MAKE_C_IDENTIFIER ${name} identifier)
    array_of(${served} plain)
    array_of(${served}.gz gzipped)
    string(APPEND text "\nconstexpr unsigned char ${identifier}[] = {\n${plain}};\n"
        "constexpr unsigned char ${identifier}_gz[] = {\n${gzipped}};\n")
    string(APPEND rows "    ClientFile{\"${name}\", view(${identifier}), view(${identifier}_gz)},\n")
endforeach()
string(APPEND text "
template <size_t size>
std::string_view view(const unsigned char (&bytes)[size]) {
    return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

std::span<const ClientFile> ${FUNCTION}() {
    static const std::array files = {
${rows}    };
    return files;
}

}  // namespace wayleave
")
file(WRITE ${TO}/${FUNCTION}.cc "${text}")
