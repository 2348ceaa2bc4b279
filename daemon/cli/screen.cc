#include "daemon/cli/screen.h"

#include <ncurses.h>

#include <clocale>

#include "daemon/base/now.h"

namespace wayleave {

namespace {

constexpr int interrupt = 3;  // Ctrl-C, which raw() brings as a key, so that the terminal is set back

}  // namespace

Screen::Screen() {
    std::setlocale(LC_CTYPE, "");
    initscr();
    raw();
    noecho();
    curs_set(0);
    keypad(stdscr, true);
    mvaddstr(0, 0, "wayleave: the first frame comes in a moment; q ends");
    refresh();
}

Screen::~Screen() {
    endwin();
}

size_t Screen::rows() const {
    return static_cast<size_t>(getmaxy(stdscr));
}

void Screen::show(const std::vector<std::string>& lines) {
    erase();
    const int columns = getmaxx(stdscr);
    for (size_t row = 0; row < lines.size() && row < rows(); ++row) {
        if (row == 0) attron(A_BOLD);
        mvaddnstr(static_cast<int>(row), 0, lines[row].c_str(), columns);
        if (row == 0) attroff(A_BOLD);
    }
    refresh();
}

bool Screen::key_within(int64_t ms, int key) {
    const int64_t until_ms = read_clocks().steady_ms + ms;
    for (int64_t left_ms = ms; left_ms > 0; left_ms = until_ms - read_clocks().steady_ms) {
        timeout(static_cast<int>(left_ms));
        const int pressed = getch();
        if (pressed == key || pressed == interrupt) return true;
    }
    return false;
}

}  // namespace wayleave
