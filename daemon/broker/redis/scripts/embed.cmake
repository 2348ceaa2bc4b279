# Writes scripts.cc: the Lua FILES, as TO/scripts.cc.
set(text "#include \"daemon/broker/redis/scripts.h\"\n\nnamespace wayleave {\n")
foreach(file ${FILES})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} lua)
    string(APPEND text "\nconst RedisScript& ${name}_script() {\n"
        "    static const RedisScript script(R\"lua(${lua})lua\");\n    return script;\n}\n")
endforeach()
string(APPEND text "\n}  // namespace wayleave\n")
file(WRITE ${TO}/scripts.cc "${text}")
