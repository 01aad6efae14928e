//! Tables for a terminal.

use std::time::Duration;

/// Prints rows under a header; the first column is text, the others are numbers.
pub(crate) fn print(header: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = header.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let mut text = String::from(" ");
        for (n, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let blanks = " ".repeat(width - cell.chars().count());
            if n == 0 {
                text.push_str(cell);
                text.push_str(&blanks);
            } else {
                text.push_str("  ");
                text.push_str(&blanks);
                text.push_str(cell);
            }
        }
        println!("{}", text.trim_end());
    };
    let header: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
    line(&header);
    println!(
        " {}",
        "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1))
    );
    for row in rows {
        line(row);
    }
}

/// A duration in milliseconds, to two places.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}
