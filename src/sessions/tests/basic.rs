//! The guarantees of the module, one by one.

use super::{
    super::{Closing, Content, Delivery, Open, Outcome, Publish, StoredMessage, Terms, WillFate},
    rig::{OpenJournal, live, options, second},
};
use crate::{env::sim::SimDisk, spool::Maintenance};

fn open<'a>(client_id: &'a str, at: u64) -> Open<'a> {
    Open {
        identity: "",
        client_id,
        is_clean: false,
        is_anonymous: true,
        expiry: 60,
        at: second(at),
        live: live(at),
        will: None,
    }
}

fn message<'a>(payload: &'a [u8]) -> StoredMessage<'a> {
    StoredMessage { qos: 1, retain: false, expires: None, topic: "t", properties: b"", payload }
}

fn opened(outcomes: &[Outcome]) -> super::super::Opened {
    match &outcomes[0] {
        Outcome::Opened(opened) => (**opened).clone(),
        other => panic!("{other:?}"),
    }
}

/// Sends `count` messages to a session, each in its own frame.
fn fill(journal: &mut OpenJournal, session: u64, count: u8) {
    for number in 0..count {
        let mut change = journal.change();
        let payload = [number; 20];
        let to = Delivery {
            session,
            qos: 1,
            retain: false,
            may_wait: false,
            is_command: false,
            ids: &[],
        };
        let publish = Publish {
            message: Some(message(&payload)),
            retained_as: 0,
            received: None,
            will: 0,
            deliveries: &[to],
        };
        change.publish(&publish, Some(0));
        journal.commit(change);
    }
}

#[test]
fn a_session_that_reconnects_finds_its_queue_with_the_same_numbers() {
    let disk = SimDisk::new();
    let options = options(1 << 20);
    let mut journal = OpenJournal::begin(&disk, &options, second(1)).unwrap();
    let mut change = journal.change();
    change.open(&open("c", 1), 0);
    let first = opened(&journal.commit(change));
    assert!(!first.is_present);
    let mut change = journal.change();
    change.subscribe(first.session, "t", Terms { options: 1, id: 9 });
    let closing = Closing {
        session: first.session,
        epoch: first.epoch,
        at: second(2),
        expiry: 60,
        will: WillFate::Forgotten,
        sent: 0,
    };
    change.close(&closing, 0);
    journal.commit(change);
    fill(&mut journal, first.session, 5);
    let mut change = journal.change();
    change.done(first.session, 2);
    change.wait(0);
    journal.commit(change);
    drop(journal);
    disk.crash(7);
    let mut journal = OpenJournal::begin(&disk, &options, second(3)).unwrap();
    assert_eq!((journal.recovery.sessions, journal.recovery.queued), (1, 4));
    let mut change = journal.change();
    change.open(&open("c", 4), 0);
    let again = opened(&journal.commit(change));
    assert!(again.is_present && again.session == first.session && again.epoch > first.epoch);
    assert_eq!(again.subscriptions, [("t".into(), Terms { options: 1, id: 9 })]);
    assert_eq!((again.first, again.next), (1, 6));
    let piece = journal.fetch(again.session, again.first, again.next, usize::MAX);
    let numbers: Vec<u64> = piece.entries.iter().map(|fetched| fetched.number).collect();
    assert_eq!((numbers.as_slice(), piece.next), (&[1, 3, 4, 5][..], 6));
    let Content::Message(bytes) = &piece.entries[1].content else { panic!() };
    assert_eq!(StoredMessage::read(bytes), Some(message(&[2; 20])));
    // It has expired, because its connection ended at 4.5.
    let mut change = journal.change();
    let closing = Closing { session: again.session, epoch: again.epoch, at: second(5), ..closing };
    change.close(&closing, 0);
    change.open(&open("c", 65), 0);
    let outcomes = journal.commit(change);
    let last = opened(&outcomes[1..]);
    assert!(!last.is_present && last.session != again.session);
    assert_eq!(last.ended.map(|ended| (ended.session, ended.left)), Some((again.session, 4)));
}

#[test]
fn a_damaged_frame_costs_what_it_holds_and_is_counted() {
    let disk = SimDisk::new();
    let options = options(1 << 20);
    let mut journal = OpenJournal::begin(&disk, &options, second(1)).unwrap();
    let mut change = journal.change();
    change.open(&open("c", 1), 0);
    let session = opened(&journal.commit(change)).session;
    fill(&mut journal, session, 6);
    let place = {
        let table = journal.shared.table();
        let third = table.queued_from(session, 3).next().unwrap();
        table.messages.block(third.message)
    };
    drop(journal);
    let name = crate::spool::segment_name(crate::model::Position(place.segment));
    let path = options.dir.join(name);
    disk.flip(&path, place.offset as usize + 20, 1);
    let mut journal = OpenJournal::begin(&disk, &options, second(3)).unwrap();
    assert_eq!((journal.recovery.queued, journal.recovery.damaged_frames), (5, 1));
    let piece = journal.fetch(session, 1, 7, usize::MAX);
    let numbers: Vec<u64> = piece.entries.iter().map(|fetched| fetched.number).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6], "the others keep their numbers");
    assert!(disk.bytes(&options.dir.join("quarantine")).is_none());
    fill(&mut journal, session, 1);
    let piece = journal.fetch(session, 7, 8, usize::MAX);
    assert_eq!(piece.entries.len(), 1);
}

/// The disk did not keep what it had synced, and the table refers to it: the next frames get
/// positions and places that the table already uses.
#[test]
fn a_journal_that_lost_its_end_keeps_later_messages_and_delivers_nothing_else() {
    let disk = SimDisk::new();
    let options = options(1 << 20);
    let mut journal = OpenJournal::begin(&disk, &options, second(1)).unwrap();
    let mut change = journal.change();
    change.open(&open("c", 1), 0);
    let session = opened(&journal.commit(change)).session;
    fill(&mut journal, session, 3);
    let block_of = |journal: &OpenJournal, number: u64| {
        let table = journal.shared.table();
        let queued = table.queued_from(session, number).next().unwrap();
        table.messages.block(queued.message)
    };
    let place = block_of(&journal, 3);
    journal.maintenance.close(&mut journal.writer);
    drop(journal);
    let name = crate::spool::segment_name(crate::model::Position(place.segment));
    disk.flip(&options.dir.join(name), place.offset as usize + 20, 1);
    let mut journal = OpenJournal::begin(&disk, &options, second(3)).unwrap();
    assert_eq!((journal.recovery.queued, journal.recovery.damaged_frames), (3, 1));
    // Two more, as large as the lost one.
    fill(&mut journal, session, 2);
    drop(journal);
    disk.crash(7);
    let journal = OpenJournal::begin(&disk, &options, second(4)).unwrap();
    assert_eq!((journal.recovery.queued, journal.recovery.damaged_frames), (5, 0));
    let piece = journal.fetch(session, 1, 6, usize::MAX);
    let payloads = piece.entries.iter().map(|fetched| match &fetched.content {
        Content::Message(bytes) => Some(StoredMessage::read(bytes).unwrap().payload[0]),
        _ => None,
    });
    let payloads: Vec<Option<u8>> = payloads.collect();
    assert_eq!(payloads, [Some(0), Some(1), None, Some(0), Some(1)]);
}

#[test]
fn a_full_disk_does_not_prevent_the_journal_from_being_opened() {
    let disk = SimDisk::new();
    let options = options(64 << 10);
    let mut journal = OpenJournal::begin(&disk, &options, second(1)).unwrap();
    let mut change = journal.change();
    change.open(&open("c", 1), 0);
    let session = opened(&journal.commit(change)).session;
    fill(&mut journal, session, 12);
    drop(journal);
    disk.set_capacity(Some(disk.used()));
    let journal = OpenJournal::begin(&disk, &options, second(3)).unwrap();
    assert_eq!(journal.recovery.queued, 12);
    assert!(journal.shared.table().live(session).is_none());
}

#[test]
fn another_version_is_refused_and_nothing_is_changed() {
    let disk = SimDisk::new();
    let options = options(1 << 20);
    let mut journal = OpenJournal::begin(&disk, &options, second(1)).unwrap();
    let mut entry = crate::spool::EntryBuffer::new();
    entry.bytes_mut().extend([9, 1, 2, 3]);
    journal.writer.append_unsynced(&mut entry).unwrap();
    journal.writer.sync().unwrap();
    drop(journal);
    let error = OpenJournal::begin(&disk, &options, second(2)).err().unwrap();
    let told = "frame 1 of the session journal has version 9, which this build does not know";
    assert_eq!(error.to_string(), told);
}
