//! How does a long text become several messages? Whole lines together, each message as long as it may be; what the messages hold,
//! one after the other, is the text. Tested below.

/// Cuts a text into pieces of at most `max` bytes, at line ends; a longer line at a character. `max` is at least 4, the longest
/// character. An empty text has no pieces.
pub(crate) fn split(text: &str, max: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > max {
        let window = (0..=max).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let at = rest[..window].rfind('\n').map_or(window, |line_end| line_end + 1);
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// UTF-8, or where it stops being it.
pub(crate) fn decode(bytes: Vec<u8>, lossy: bool) -> Result<String, usize> {
    String::from_utf8(bytes).or_else(|error| {
        let offset = error.utf8_error().valid_up_to();
        if lossy { Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()) } else { Err(offset) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_stay_whole_and_together() {
        assert_eq!(split("aa\nbb\ncc\n", 6), ["aa\nbb\n", "cc\n"]);
        assert_eq!(split("aa\nbb\ncc", 8), ["aa\nbb\ncc"]);
        assert_eq!(split("", 8), Vec::<&str>::new());
        assert_eq!(split("\n\n\n", 2).concat(), "\n\n\n");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        assert_eq!(split("åäöåäö", 5), ["åä", "öå", "äö"]);
        assert_eq!(split("x\n🙂🙂", 4), ["x\n", "🙂", "🙂"]);
    }

    #[test]
    fn what_is_not_utf8_is_told_by_its_place() {
        assert_eq!(decode(b"ab\xffc".to_vec(), false), Err(2));
        assert_eq!(decode(b"ab\xffc".to_vec(), true), Ok("ab\u{fffd}c".into()));
        assert_eq!(decode("å".into(), false), Ok("å".into()));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_piece_is_too_long(text in "[a-c\n🙂ä]{0,80}", max in 4_usize..20) {
            let pieces = split(&text, max);
            prop_assert_eq!(pieces.concat(), text.as_str());
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= max));
        }
    }
}
