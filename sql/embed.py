"""Make a C file with the text of the profiles: embed.py OUT NAME=FILE ..."""
import sys


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("/* Made by sql/embed.py. */\n#include \"sql/profile_int.h\"\n\n")
        names = []
        for argument in sys.argv[2:]:
            name, path = argument.split("=", 1)
            with open(path, "rb") as f:
                octets = f.read()
            out.write("static const unsigned char text_%s[] = {" % name)
            for i, octet in enumerate(octets):
                out.write(("\n\t" if i % 16 == 0 else " ") + "%d," % octet)
            out.write("\n};\n\n")
            names.append(name)
        out.write("const struct builtin_profile builtin_profiles[] = {\n")
        for name in names:
            out.write("\t{ \"%s\", (const char *)text_%s, sizeof(text_%s) },\n" % (name, name, name))
        out.write("\t{ 0 },\n};\n")


main()
