import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Prints tocsin's events: java -cp 'kafka-clients.jar:slf4j-api.jar:.' Subscribe SERVERS TOPIC GROUP */
public class Subscribe {

    /** The rule: a record counts if it lies at the offset that its writer expected. */
    static boolean counts(ConsumerRecord<byte[], byte[]> record) {
        return String.format("%020d", record.offset()).equals(text(record, "ce_sequence"));
    }

    static String text(ConsumerRecord<byte[], byte[]> record, String name) {
        for (Header header : record.headers().headers(name)) {
            return header.value() == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
        }
        return "";
    }

    public static void main(String[] arguments) {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", arguments[0],
            "group.id", arguments[2],
            "auto.offset.reset", "earliest",
            "enable.auto.commit", false);
        try (var consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(arguments[1]));
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    if (counts(record)) {
                        System.out.println(record.partition() + " " + record.offset()
                            + " " + text(record, "ce_type") + " " + text(record, "ce_id"));
                    }
                }
                consumer.commitSync(); // after the work: a crash repeats the last events, and loses none
            }
        }
    }
}
