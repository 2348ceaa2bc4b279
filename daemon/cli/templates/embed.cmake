# Writes TO: the files of `wayleave init` as strings. FILES is which.
set(text "#include \"daemon/cli/templates.h\"\n\nnamespace wayleave {\n\nstd::string_view init_template(std::string_view name) {\n")
foreach(file ${FILES})
    get_filename_component(name ${file} NAME)
    file(READ ${file} content)
    string(APPEND text "    if (name == \"${name}\") return R\"__(${content})__\";\n")
endforeach()
string(APPEND text "    return {};\n}\n\n}  // namespace wayleave\n")
file(WRITE ${TO} "${text}")
